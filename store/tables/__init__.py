"""What lies at rest: tables and migrations, the vault that seals their columns, the chain of events, backups."""
