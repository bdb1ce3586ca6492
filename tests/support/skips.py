"""The only reasons for which a test may be skipped; any other skip fails `make test`."""

POSTGRES15_MISSING = "PostgreSQL 15 programs are not installed"
NOT_ROOT = "needs root"

ALLOWED = (POSTGRES15_MISSING, NOT_ROOT)
"""A skip's reason begins with one of these."""
