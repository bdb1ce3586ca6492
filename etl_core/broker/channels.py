"""The LISTEN channels of the program, named once."""

from typing import Final

RING: Final = "etl_ring"
"""Wakes workers on the postgres transport; the payload is a stage."""

SCHEDULER: Final = "etl_scheduler"
"""Wakes schedulers after an action that may have made a job due; the payload is empty."""
