"""What a screen shows: asked of the database, kept alive through lost connections."""
