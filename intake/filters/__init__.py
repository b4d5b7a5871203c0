"""What filters say of a mail: those of the mail server, in its header, and rspamd, which is asked and taught."""
