"""Where a worker's time goes, by step, from what `sampler/sitecustomize.py` wrote."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Final

STEPS: Final = (
    ("read the file for its types and digest", ("files.scan:", "formats.learning:")),
    ("read the file's pages", ("files.pages:", "files.formats.")),
    ("encode and compress the payload", ("workers.payload:encode",)),
    ("transform: the connector's", (".transform:FilesConnector", "FilesConnector.transform")),
    ("transform: coercion", ("workers.transform:", "etl_core.coercion:")),
    ("decode a stored payload", ("workers.payload:decode",)),
    ("COPY", ("copy_rows", "copy_records_to_table", "copy_in")),
    ("merge", ("workers.loader.merge:merge",)),
    ("start, imports", ("importlib._bootstrap",)),
    ("event loop, database, the rest", ("",)),
)
"""The first whose text stands in a function of the stack."""


def text(folder: Path, records: int) -> str:
    """The steps of all workers that wrote into `folder`, and the ten functions that took most.

    Seconds are those in which a thread was not waiting: they add up to the CPU of the worker, nearly.
    """
    steps: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for file in folder.glob("*.jsonl"):
        for line in file.read_text().splitlines():
            seconds, thread, stack = json.loads(line)
            if thread == "heartbeat":
                continue
            steps[_step(stack)] += seconds
            functions[stack[-1].rpartition(":")[0]] += seconds
    lines = [
        "",
        f"| a worker's step, {records:,} records | seconds | microseconds a record |",
        "| --- | --- | --- |",
    ]
    for name, _ in STEPS:
        if steps[name]:
            lines.append(f"| {name} | {steps[name]:.2f} | {steps[name] / records * 1e6:.2f} |")
    lines += ["", "innermost functions: "]
    lines += [f"- {name}: {seconds:.2f} s" for name, seconds in functions.most_common(10)]
    return "\n".join(lines)


def _step(stack: list[str]) -> str:
    for name, marks in STEPS:
        if any(mark in function for mark in marks for function in stack):
            return name
    return STEPS[-1][0]
