"""The web form: its pages, what they take in, and what a receipt opens."""
