"""What is said: each kind of notice, its template, and the six languages."""
