"""The SQL of the program, as data: `migrations/` and `queries/`, read through importlib.resources."""
