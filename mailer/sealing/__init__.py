"""One private ciphertext for each reader, and the mail around it."""
