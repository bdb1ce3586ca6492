"""The only reasons for which a test may be skipped; any other skip fails `make test`."""

POSTGRES15_MISSING = "PostgreSQL 15 programs are not installed"
NOT_ROOT = "needs root"
TMUX_MISSING = "tmux is not installed"

ALLOWED = (POSTGRES15_MISSING, NOT_ROOT, TMUX_MISSING)
"""A skip's reason begins with one of these."""
