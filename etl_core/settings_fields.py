"""Makes settings of what a variable or a TOML file says, and tells every field that cannot be read.

By msgspec: every process begins with it, and the dashboard's first picture waits for no pydantic.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from etl_core.errors import InvalidInput

_TRUE, _FALSE = (
    frozenset({"1", "true", "t", "yes", "y", "on"}),
    frozenset({"0", "false", "f", "no", "n", "off"}),
)

S = TypeVar("S", bound=msgspec.Struct)


class Secret:
    """A text that no repr and no log shows: an address with a password in it, a key."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('**********')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


@cache
def field_types(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Name and type of every field of settings."""
    return get_type_hints(kind, include_extras=True)


def read_fields(kind: type[S], given: Mapping[str, Any], *, within: str = "") -> S:
    """The settings of this kind; values are as TOML has them, or texts. `within` ends with a dot.

    Raises:
        InvalidInput: with every problem in one line: `field: what is wrong`.
    """
    types, values, problems = field_types(kind), {}, []
    for name, value in given.items():
        if name not in types:
            problems.append(f"{within}{name}: unknown field")
            continue
        try:
            values[name] = _read(types[name], value)
        except ValueError as error:
            problems.append(f"{within}{name}: {_plainly(types[name], value, error)}")
    if not problems:
        try:
            return kind(**values)
        except ValueError as error:
            problems.append(str(error))
    raise InvalidInput("; ".join(problems))


def _read(kind: Any, value: Any) -> Any:
    if kind is bool and isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    return msgspec.convert(value, kind, strict=False, dec_hook=_read_other)


def _read_other(kind: Any, value: Any) -> Any:
    if kind is Secret and isinstance(value, Secret):
        return value
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise ValueError("should be a text")


def _plainly(kind: Any, value: Any, error: ValueError) -> str:
    """What msgspec says, without its marks and paths; of a choice, what can be chosen."""
    for choice in (kind, *get_args(kind)):  # `Literal`, or `Literal | None`
        if get_origin(choice) is Literal:
            return f"{value!r} is none of {', '.join(map(str, get_args(choice)))}"
    return str(error).partition(" - at `")[0].replace("`", "")
