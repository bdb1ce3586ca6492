"""Loads typed rows into destination tables of PostgreSQL.

`tables` makes and widens them: `catalog` reads what stands, `schema_plan` decides, `inference` finds columns
that nobody declared, `quarantine` keeps new fields out. `merge` brings rows in, `piecewise` finds those that
the destination refuses, `rejects` keeps them. `walks` finds what is gone from a source that is read as a
whole; `destination` loads into another database. All SQL is composed in `statements` and, for what other
databases keep for us, `ledger_statements`.
"""

from workers.loader.merge import LoadCounts, Staged, copy_rows, merge, retry_on_ddl, stage_rows
from workers.loader.rejects import store_rejects
from workers.loader.tables import ensure_tables
from workers.loader.target import TargetColumn, TargetTable

__all__ = [
    "LoadCounts",
    "Staged",
    "TargetColumn",
    "TargetTable",
    "copy_rows",
    "ensure_tables",
    "merge",
    "retry_on_ddl",
    "stage_rows",
    "store_rejects",
]
