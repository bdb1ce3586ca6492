"""The objects of one bucket: what every store says of them, and parts of them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of an object; a later one has the greater generation."""

    content: bytes
    generation: int
    encoding: str | None = None
    """Said to be its Content-Encoding: `gzip` as uploaders leave it that pack on the way."""

    @property
    def moment(self) -> datetime:
        return _FIRST + timedelta(seconds=self.generation)

    @property
    def unpacked(self) -> bytes:
        return gzip.decompress(self.content) if self.encoding == "gzip" else self.content


class Objects:
    """Name -> object, and may be changed at any time; every `put` is a new version."""

    def __init__(self) -> None:
        self._objects: dict[str, Stored] = {}
        self._generations = 0

    def put(self, name: str, content: bytes, encoding: str | None = None) -> None:
        self._generations += 1
        self._objects[name] = Stored(content, self._generations, encoding)

    def delete(self, name: str) -> None:
        del self._objects[name]

    def get(self, name: str) -> Stored | None:
        return self._objects.get(name)

    def page(
        self, prefix: str, delimiter: str, after: str, most: int
    ) -> tuple[Sequence[tuple[str, Stored]], Sequence[str], str | None]:
        """Objects and common prefixes behind `after`, at most so many, and where the next page begins."""
        objects: list[tuple[str, Stored]] = []
        prefixes: list[str] = []
        at = after
        for name, stored in sorted(self._objects.items()):
            if not name.startswith(prefix) or name <= after:
                continue
            folder, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            common = prefix + folder + delimiter if found else None
            if common is not None and (common in prefixes or after.startswith(common)):
                continue
            if len(objects) + len(prefixes) >= most:
                return objects, prefixes, at
            if common is not None:
                prefixes.append(common)
            else:
                objects.append((name, stored))
            at = name
        return objects, prefixes, None


def part_of(content: bytes, asked: str | None) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and `Content-Range` for a `Range` header: all of it, a part, or 416."""
    found = _RANGE.fullmatch(asked or "")
    if not found:
        return 200, content, {}
    start, last = int(found[1]), int(found[2] or len(content) - 1)
    if start >= len(content):
        return 416, b"", {"Content-Range": f"bytes */{len(content)}"}
    body = content[start : last + 1]
    return 206, body, {"Content-Range": f"bytes {start}-{start + len(body) - 1}/{len(content)}"}
