"""The words that every process speaks: models, rules, store, broker, control, settings.

Nothing in here imports `etl_tui`, `scheduler` or `workers` (import-linter holds it).
"""

__version__ = "0.1.0"
