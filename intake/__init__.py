"""Mail comes in: read, opened with GnuPG, sorted, and written down as a case before it is acknowledged."""
