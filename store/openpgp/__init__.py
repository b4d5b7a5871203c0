"""GnuPG at the edge: one keyring, one call, its status lines as values."""
