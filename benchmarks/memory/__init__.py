"""How much memory a worker takes: a file of millions of rows, and pages as large as they come.

Beside the other benchmarks this one has a limit: `python -m benchmarks.memory` ends with 1 when a worker
passed it, so that `make soak` fails.
"""
