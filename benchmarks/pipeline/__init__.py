"""How fast records are loaded end to end, beside dlt, target-postgres and a direct load on the same server.

`python -m benchmarks.pipeline --help`. Figures are comparable within one run only.
"""
