"""Connectors under load: a real worker reads a simulator that fails and changes, and is killed at random.

`python -m tests.connectors_soak github --minutes 10 --kills 50` runs it; it is no part of `make test`. A
connector joins with a `Source` (`source.py`) in a file of its own, named in `__main__.py`.
"""
