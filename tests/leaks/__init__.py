"""Secrets are planted wherever one can be configured; what uses them fails in every way; all is searched."""
