"""What is to be said, to whom it went, and how each attempt ended; what is done because it is time."""
