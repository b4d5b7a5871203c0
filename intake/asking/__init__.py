"""What somebody asks for in a mail, and what kind of mail it is."""
