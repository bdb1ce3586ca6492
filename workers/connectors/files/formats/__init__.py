"""How records stand in a file."""
