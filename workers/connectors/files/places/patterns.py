"""Patterns as shells know them: `*`, `?`, `[...]`, and `**` for folders at any depth. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import PurePosixPath

MAGIC = frozenset("*?[")

DEFAULT_UNFINISHED = ("*.tmp", "*.temp", "*.part", "*.partial", "*.filepart", "*.crdownload", "*.swp", "~$*")
"""Names under which programs write what they rename when it is done."""


def split_pattern(path: str) -> tuple[str, str]:
    """The folder that a pattern names in full, and the pattern below it ("" where nothing is a pattern)."""
    parts = PurePosixPath(path).parts
    for index, part in enumerate(parts):
        if MAGIC & set(part):
            return str(PurePosixPath(*parts[:index])), str(PurePosixPath(*parts[index:]))
    return str(PurePosixPath(path).parent), ""


def common_folder(paths: Sequence[str]) -> str:
    """What all of them name in full; partitions are named below it."""
    return posixpath.commonpath([split_pattern(path)[0] for path in paths])


@lru_cache(maxsize=1_024)
def compiled(pattern: str) -> re.Pattern[str]:
    """Of a whole path without its first slash; a wildcard matches no slash, and no dot that begins a name."""
    written = []
    parts = [part for part in pattern.split("/") if part]
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        if part == "**":
            written.append(r"(?:[^/.][^/]*/)*" if not is_last else r"(?:[^/.][^/]*/)*[^/.][^/]*")
        else:
            written.append(_of_name(part) + ("" if is_last else "/"))
    return re.compile("".join(written), re.DOTALL)


def _of_name(part: str) -> str:
    hidden = "" if part.startswith(".") else r"(?!\.)"
    written = ""
    at = 0
    while at < len(part):
        char = part[at]
        at += 1
        if char == "*":
            written += "[^/]*"
        elif char == "?":
            written += "[^/]"
        elif char == "[" and (end := part.find("]", at + 1 + (part[at : at + 1] == "!"))) > 0:
            inside = part[at:end].replace("\\", r"\\")
            at = end + 1
            written += f"[{'^' + inside[1:] if inside.startswith('!') else inside}]"
        else:
            written += re.escape(char)
    return hidden + written


def matches(path: str, pattern: str) -> bool:
    return compiled(pattern).fullmatch(path.lstrip("/")) is not None


def matches_any(partition: str, patterns: Collection[str]) -> bool:
    """By the whole partition; a pattern without a slash by the name alone, wherever it is."""
    name = partition.rpartition("/")[2]
    return any(matches(partition if "/" in pattern else name, pattern) for pattern in patterns)


def is_locked(name: str, beside: Collection[str]) -> bool:
    """Whether a file of its folder says that this one is in somebody's hands (also LibreOffice's)."""
    return f"{name}.lock" in beside or f".~lock.{name}#" in beside
