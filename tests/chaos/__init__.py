"""Chaos: the real programs, PostgreSQL and RabbitMQ; faults at random from a seed; a verdict at the end.

`test_smoke.py` runs a minute of it on each transport, `python -m tests.chaos.soak` (`make soak`) as long as
one likes.
"""
