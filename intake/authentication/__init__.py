"""Who vouches for a mail: what a named mail server says of it, and what is checked here where none did."""
