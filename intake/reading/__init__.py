"""From octets to a mail that was read and opened."""
