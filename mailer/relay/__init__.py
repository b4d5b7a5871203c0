"""The connection to the relay, and what its refusals mean."""
