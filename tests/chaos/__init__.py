"""Chaos: the real programs on a real PostgreSQL and a real RabbitMQ, faults at random from a seed, a verdict at the end.

`test_smoke.py` runs a minute of it on each transport; `python -m tests.chaos.soak` (`make soak`) as long as one likes.
"""
