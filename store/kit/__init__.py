"""What everything needs: errors, the configuration, the clock, addresses, private files."""
