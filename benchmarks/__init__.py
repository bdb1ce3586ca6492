"""Measured side by side with peers, by hand; no test asserts a figure."""
