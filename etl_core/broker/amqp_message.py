"""The wire form of a ring: `{"v": 1, "stage": "extract"}`."""

from __future__ import annotations

import json
from typing import Final

from etl_core.broker.protocol import Stage

VERSION: Final = 1


class UnparsableError(ValueError):
    """Not a ring of ours; the message says why."""


def encode(stage: Stage) -> bytes:
    """A ring for a stage."""
    return json.dumps({"v": VERSION, "stage": str(stage)}, separators=(",", ":")).encode()


def decode(body: bytes) -> Stage:
    """The stage that rings.

    Raises:
        UnparsableError: it is something else, or of another version.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise UnparsableError("not JSON") from None
    if not isinstance(document, dict) or document.get("v") != VERSION:
        raise UnparsableError(f"not a ring of version {VERSION}")
    try:
        return Stage(str(document.get("stage")))
    except ValueError:
        raise UnparsableError("unknown stage") from None
