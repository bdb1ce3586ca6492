"""Files that a `files` job reads: millions of small rows, or lines as long as a line may be."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

LINE_BYTES: Final = 16_000_000
"""Of a long line: a little less than the connector takes for a record (16 MB)."""
_BLOCK = 10_000


def write_csv(path: Path, rows: int) -> None:
    """About 100 bytes a row: a number, a text, a decimal, a time, a longer text."""
    with path.open("w") as file:
        file.write("id,name,amount,changed_at,remark\n")
        _write_blocks(file.write, rows, lambda n: f'{n},{_name(n)},{_amount(n)},{_time(n)},"{_remark(n)}"\n')


def write_jsonl(path: Path, rows: int) -> None:
    """The same rows, about 150 bytes each."""
    with path.open("w") as file:
        _write_blocks(
            file.write,
            rows,
            lambda n: (
                f'{{"id":{n},"name":"{_name(n)}","amount":{_amount(n)},"changed_at":"{_time(n)}",'
                f'"remark":"{_remark(n)}"}}\n'
            ),
        )


def write_long_lines(path: Path, lines: int) -> None:
    """Each line a record with one field that compresses badly."""
    rng = random.Random(1)
    with path.open("w") as file:
        for n in range(1, lines + 1):
            file.write(json.dumps({"id": n, "body": hexadecimal(rng, LINE_BYTES)}) + "\n")


def hexadecimal(rng: random.Random, length: int) -> str:
    """So many digits without a pattern: they compress to half."""
    return rng.randbytes(length // 2).hex()


def _write_blocks(write: Callable[[str], object], rows: int, line: Callable[[int], str]) -> None:
    for begin in range(1, rows + 1, _BLOCK):
        write("".join(line(n) for n in range(begin, min(begin + _BLOCK, rows + 1))))


def _csv_line(n: int) -> str:
    return f'{n},{_name(n)},{_amount(n)},{_time(n)},"{_remark(n)}"\n'


def _name(n: int) -> str:
    return f"customer {n % 99_991:05}"


def _amount(n: int) -> str:
    return f"{n % 1_000_003}.{n % 100:02}"


def _time(n: int) -> str:
    return f"2026-{1 + n % 12:02}-{1 + n % 28:02}T{n % 24:02}:{n % 60:02}:{n % 59:02}Z"


def _remark(n: int) -> str:
    return f"order {n * 7919 % 1_000_007:07} of lot {n % 8191:04}, paid"
