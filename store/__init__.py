"""What is kept: configuration, roster, keys, cases and the outbox, and who may know of a case.

Everything that another room may rely on is reached through this room; it imports none of the others.
"""
