"""The domain: what a case is, who may know of it, and what may be done to it."""
