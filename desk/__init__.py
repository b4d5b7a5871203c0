"""For people: the command line and the running service."""
