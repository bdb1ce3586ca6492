"""Where a value stands in a checkpoint, as people write it: `orders/default.bookmark.updated_at`.

A name that would not be read back stands in quotes, as JSON writes it: `"a/b"/default.bookmark."x.y"[3]`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from etl_core.rules.checkpoints.document import BOOKMARK, RESUME, Place

Step = str | int
"""A field's name, or the place in a list, from 0 on."""

_PART = re.compile(rf"\.({BOOKMARK}|{RESUME})(?=[.\[]|$)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_FIELD = re.compile(r"[\w$@:-]+")
_INDEX = re.compile(r"\[(\d{1,9})\]", re.ASCII)
_STREAM = re.compile(r'[^\s"/]+')


@dataclass(frozen=True, slots=True)
class ValuePath:
    """A partition, its bookmark or resume, or a value in it."""

    place: Place
    part: str | None = None
    """bookmark or resume; None: the partition as a whole."""
    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        return place_text(self.place) + (f".{self.part}" if self.part else "") + steps_text(self.steps)


def place_text(place: Place) -> str:
    """`orders/default`, `pull_requests/octo/app`."""
    stream, partition = place
    if not _STREAM.fullmatch(stream):
        stream = json.dumps(stream, ensure_ascii=False)
    if partition.startswith('"') or partition != " ".join(partition.split()) or _PART.search(partition):
        partition = json.dumps(partition, ensure_ascii=False)
    return f"{stream}/{partition}"


def steps_text(steps: tuple[Step, ...]) -> str:
    """`.updated_at`, `[3].name`, `."x.y"`; empty for none."""
    told = []
    for step in steps:
        if isinstance(step, int):
            told.append(f"[{step}]")
        else:
            told.append("." + (step if _FIELD.fullmatch(step) else json.dumps(step, ensure_ascii=False)))
    return "".join(told)


def parse_path(text: str) -> ValuePath:
    """Reads what `str(path)` writes.

    Raises:
        ValueError: one sentence that says what a path looks like.
    """
    stream, rest = _name(text, _STREAM)
    if not rest.startswith("/"):
        raise _no_path(text)
    rest = rest[1:]
    if rest.startswith('"'):
        partition, rest = _name(rest, _FIELD)
    else:
        found = _PART.search(rest)
        partition, rest = (rest[: found.start()], rest[found.start() :]) if found else (rest, "")
    place = Place(stream, partition)
    if not rest:
        return ValuePath(place)
    part = _PART.match(rest)
    if part is None:
        raise _no_path(text)
    return ValuePath(place, part[1], _steps(rest[part.end() :], text))


def _name(text: str, bare: re.Pattern[str]) -> tuple[str, str]:
    quoted = _QUOTED.match(text)
    if quoted:
        try:
            name = json.loads(quoted[0], strict=False)
        except ValueError:
            raise _no_path(text) from None
        return str(name), text[quoted.end() :]
    found = bare.match(text)
    if found is None:
        raise _no_path(text)
    return found[0], text[found.end() :]


def _steps(rest: str, text: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    while rest:
        index = _INDEX.match(rest)
        if index:
            steps.append(int(index[1]))
            rest = rest[index.end() :]
        elif rest.startswith("."):
            name, rest = _name(rest[1:], _FIELD)
            steps.append(name)
        else:
            raise _no_path(text)
    return tuple(steps)


def _no_path(text: str) -> ValueError:
    return ValueError(
        f"{text[:80]!r} is no path in a checkpoint; write orders/default.bookmark.updated_at "
        f"(stream, partition, bookmark or resume, fields)"
    )
