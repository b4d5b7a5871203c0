"""Who is on the team: the roster file, its people and their keys, their names, their terms."""
