"""The records that every system is fed: issue-like, 12 columns (2 of them JSON), about 690 bytes each."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec

STREAM: Final = "issues"
KEY: Final = "id"
_BATCH = 10_000
_WORDS: Final = re.findall(
    r"\w+",
    "after again broken button cache change cluster column commit config crash default delay error event "
    "export field filter graph handle import index invalid latency letter loader locale memory message "
    "missing network number option output panel parser partial query reader record refresh release render "
    "replica request response restart result retry schema screen search server session setting signal "
    "socket source stream string syntax table timeout token update upload user value version warning window",
)
_LABELS: Final = ("bug", "enhancement", "docs", "regression", "help wanted", "performance", "ui", "api")


class Phase(StrEnum):
    """What a load finds in the table; every record is of that kind."""

    INSERT = "insert"
    UPDATE = "update"
    UNCHANGED = "unchanged"


def records(number: int, phase: Phase) -> Iterator[dict[str, Any]]:
    """Records 1 to `number`; update and unchanged are the same: the second finds what the first left."""
    edited = phase is not Phase.INSERT
    for n in range(1, number + 1):
        rng = random.Random(n)
        body = " ".join(rng.choices(_WORDS, k=46))
        labels = rng.sample(_LABELS, 2)
        yield {
            "id": n,
            "number": n % 10_000,
            "repository": f"octo/{_WORDS[n % 40]}",
            "title": " ".join(rng.choices(_WORDS, k=6)) + (" (edited)" if edited else ""),
            "state": "open" if n % 3 else "closed",
            "author": f"{rng.choice(_WORDS)}-{rng.randrange(1000)}",
            "body": body,
            "comments": rng.randrange(50) + edited,
            "created_at": f"2025-{1 + n % 12:02}-{1 + n % 28:02}T{n % 24:02}:{n % 60:02}:11Z",
            "updated_at": f"2026-0{6 + edited}-{1 + n % 28:02}T{n % 24:02}:{n % 60:02}:57Z",
            "labels": [{"name": name, "color": f"{rng.randrange(1 << 24):06x}"} for name in labels],
            "reactions": {"+1": n % 7, "-1": n % 3, "heart": n % 5, "rocket": n % 2},
        }


def write_jsonl(path: Path, number: int, phase: Phase) -> int:
    """A file of JSON lines, put in place at once; its size in bytes.

    Unchanged records need a changed file, which would not be read otherwise: it ends with an empty line.
    """
    encoder = msgspec.json.Encoder()
    written = path.with_name(f"{path.name}.new")
    with written.open("wb") as file:
        for batch in _batches(records(number, phase)):
            file.write(encoder.encode_lines(batch))
        if phase is Phase.UNCHANGED:
            file.write(b"\n")
    written.replace(path)
    return path.stat().st_size


def write_singer(path: Path, number: int, phase: Phase) -> None:
    """The same as a Singer tap says it: SCHEMA, RECORDs, a STATE after every 10,000."""
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as file:
        file.write(json.dumps(SCHEMA_MESSAGE).encode() + b"\n")
        done = 0
        for batch in _batches(records(number, phase)):
            for record in batch:
                file.write(encode({"type": "RECORD", "stream": STREAM, "record": record}))
                file.write(b"\n")
            done += len(batch)
            file.write(encode({"type": "STATE", "value": {"bookmarks": {STREAM: {"id": done}}}}) + b"\n")


def _batches(source: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch = []
    for record in source:
        batch.append(record)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


_TIME = {"type": "string", "format": "date-time"}
_TEXT = {"type": "string"}
_INTEGER = {"type": "integer"}
SCHEMA_MESSAGE: Final = {
    "type": "SCHEMA",
    "stream": STREAM,
    "key_properties": [KEY],
    "schema": {
        "type": "object",
        "properties": {
            "id": _INTEGER,
            "number": _INTEGER,
            "repository": _TEXT,
            "title": _TEXT,
            "state": _TEXT,
            "author": _TEXT,
            "body": _TEXT,
            "comments": _INTEGER,
            "created_at": _TIME,
            "updated_at": _TIME,
            "labels": {"type": "array", "items": {"type": "object"}},
            "reactions": {"type": "object"},
        },
    },
}
