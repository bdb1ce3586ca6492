"""JSON as it stands in a checkpoint: read and written without changing a value.

Integers are int of any length, all other numbers Decimal, so that 2**53 + 1 and 0.1000000000000000055 come
out as they went in. What PostgreSQL cannot store, or a worker could not read, is refused with its place.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import msgspec

Json = Any
"""None, bool, int, Decimal, str, list, dict."""

MOST_DIGITS = 4_000
"""Of an integer: Python and msgspec read no more than 4,300."""
MOST_DEPTH = 100
"""Levels of objects and lists."""

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]").search
_SUSPICIOUS = re.compile("[\0\ud800-\udfff]|\\\\u(?:0000|[dD][89a-fA-F])").search
"""Of a text of JSON: it may hold what cannot be stored."""
_LARGEST = Decimal("1.7e308")


class BadJson(ValueError):
    """A text that is no JSON, or none that a checkpoint can hold: one sentence that names the place."""


def parse(text: str) -> Json:
    """What a person or a program gives.

    Raises:
        BadJson: with line and column, or the path of the value that cannot be stored.
    """
    try:
        value = json.loads(
            text.removeprefix("\ufeff"),
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_no_constant,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        raise BadJson(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise BadJson(_TOO_DEEP) from None
    if _SUSPICIOUS(text) or _is_deep(value):
        refuse_unstorable(value)
    return value


def parse_stored(text: str | None) -> Json:
    """What PostgreSQL wrote; None for NULL.

    Raises:
        BadJson: it is nested too deep to be looked at, or has a number of more digits than can be read.
    """
    if text is None:
        return None
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise BadJson(_TOO_DEEP) from None
    except msgspec.MsgspecError as error:
        raise BadJson(f"it holds a value that cannot be read ({error})") from None


def dump(value: Json, *, indent: int = 0) -> str:
    """The text of a value, in the order of its keys, numbers as they were; lines where `indent` is given."""
    written = _ENCODER.encode(value)
    return (msgspec.json.format(written, indent=indent) if indent else written).decode()


def refuse_unstorable(value: Json, where: str = "") -> None:
    """Raises BadJson for what PostgreSQL or a worker cannot take, with its path."""
    _refuse(value, where, 0)


def same(one: Json, other: Json) -> bool:
    """Whether two values are the same JSON: 1 is 1.0, but true is not 1. The order of keys is nothing."""
    if one is other:
        return True
    # Of most that are equal the text is equal too, which is found in a fifth of the time.
    return one == other and (_ENCODER.encode(one) == _ENCODER.encode(other) or _same_kinds(one, other))


_TOO_DEEP = f"it is nested more than {MOST_DEPTH} levels deep"


def _refuse(value: Json, where: str, depth: int) -> None:
    if isinstance(value, str):
        if _UNSTORABLE(value):
            raise BadJson(f"{where or 'the text'} holds a NUL character or half of a surrogate pair")
        return
    if not isinstance(value, (dict, list)):
        return
    if depth >= MOST_DEPTH:
        raise BadJson(_TOO_DEEP)
    if isinstance(value, dict):
        for name, inner in value.items():
            _refuse(name, f"the name {name!a}{f' in {where}' if where else ''}", depth + 1)
            _refuse(inner, f"{where}.{name}" if where else name, depth + 1)
    else:
        for at, inner in enumerate(value):
            _refuse(inner, f"{where}[{at}]", depth + 1)


def _is_deep(value: Json) -> bool:
    """Level by level, which a large flat document passes at once."""
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def _same_kinds(one: Json, other: Json) -> bool:
    # They are equal, so they have the same form.
    if isinstance(one, dict):
        return all(_same_kinds(inner, other[name]) for name, inner in one.items())
    if isinstance(one, list):
        return all(map(_same_kinds, one, other))
    return isinstance(one, bool) is isinstance(other, bool)


def _integer(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise BadJson(f"the number {text[:12]}... has {len(text):,} digits; {MOST_DIGITS:,} can be stored")
    return int(text)


def _decimal(text: str) -> Decimal:
    if len(text) > MOST_DIGITS:
        raise BadJson(f"the number {text[:12]}... has {len(text):,} digits; {MOST_DIGITS:,} can be stored")
    number = Decimal(text)
    # A worker reads it as a double; one beyond would stop its claims.
    if number.is_infinite() or abs(number) > _LARGEST or number.adjusted() < -MOST_DIGITS:
        raise BadJson(f"the number {text[:40]} is larger or smaller than a double can be")
    return number


def _no_constant(name: str) -> Json:
    raise BadJson(f"{name} is no JSON value; write null or a number")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise BadJson(f"the name {name!a} stands twice in one object")
            seen.add(name)
    return made
