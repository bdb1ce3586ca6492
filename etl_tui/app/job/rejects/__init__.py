"""Records that could not be loaded: looked at, corrected, replayed, dropped."""
