"""How fast jobs are dispatched, beside a raw publisher, Celery and Procrastinate on the same servers.

`python -m benchmarks.dispatch --help`. Figures are comparable within one run only.
"""
