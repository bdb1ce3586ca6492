"""The crash matrix: a worker is killed before and behind every message of a batch's way, others recover.

`test_matrix.py` runs the points around every commit, `python -m tests.crash.matrix` (`make soak`) all of
them and prints the table that stands in docs/reliability.md.
"""
