"""A new desk: what is asked for, its folder, and its team told."""
