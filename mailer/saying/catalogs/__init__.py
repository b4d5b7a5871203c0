"""What the notices say in other languages: one catalog (gettext) each. `make words` brings them up to date."""
