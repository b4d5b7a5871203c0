"""How the desk is doing, for its operator and for the public."""
