"""What stands in a file in place of a record."""

from __future__ import annotations

from dataclasses import dataclass

_PAYLOAD_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Malformed:
    """Text that is no record: why not (with its line number), and its beginning."""

    reason: str
    payload: str

    @classmethod
    def of(cls, reason: str, text: str) -> Malformed:
        text = text.rstrip("\r\n")
        return cls(reason, text if len(text) <= _PAYLOAD_LIMIT else text[:_PAYLOAD_LIMIT] + "…")
