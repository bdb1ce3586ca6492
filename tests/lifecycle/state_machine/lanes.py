"""What must be true of the batches of a run, whatever happened to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

UNLOADED = ("WAITING", "LEASED")
_LETTERS = {"LOADED": "x", "WAITING": "o", "LEASED": "o", "SET_ASIDE": "a", "DISCARDED": "d"}


def check_batches(batches: Iterable[Mapping[str, Any]], *, is_open: bool, holder: int | None) -> None:
    """`batches` are rows of `run_batches` in order, each with `has_payload`; `holder` has the run."""
    lanes: dict[str, str] = {}
    for batch in batches:
        is_unloaded = batch["state"] in UNLOADED
        assert is_open or not is_unloaded, "a run ended before its batches"
        assert is_open or not batch["has_payload"], "a payload is kept for nothing"
        assert batch["has_payload"] >= is_unloaded, "an unloaded batch has no payload"
        assert not (batch["has_payload"] and batch["state"] == "LOADED"), batch
        if batch["state"] == "WAITING":
            assert batch["worker_id"] is batch["in_hand_since"] is None, batch
        if batch["state"] == "LEASED" and batch["in_hand_since"] is None:
            assert batch["worker_id"] == holder, "carried by one who has not the run"
        lanes[batch["lane"]] = lanes.get(batch["lane"], "") + _LETTERS[batch["state"]]
    for states in lanes.values():
        assert re.fullmatch("x*(o*|d*)(a[ad]*)?", states), f"not in order: {states}"
