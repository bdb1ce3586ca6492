"""Loads typed rows into destination tables of PostgreSQL.

`tables` makes and widens them, `merge` brings rows in, `rejects` keeps what cannot be loaded.
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
