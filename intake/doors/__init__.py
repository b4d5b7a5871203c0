"""The ways in: the SMTP and LMTP listener, the mailbox, old mail on a disk."""
