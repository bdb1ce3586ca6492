"""The texts of a manifest that hold `{{ variables.org }}`: names with dots, and nothing else in the braces.

No expressions, no filters, no code: a name is looked up in a tree of JSON values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

Scope: TypeAlias = Mapping[str, Any]
"""What names may mean: `{"variables": {...}, "parent": {...}}`."""

_BRACES = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_@$][\w@$-]*(?:\.[\w@$-]+)*")


class Missing(LookupError):
    """A name leads nowhere, or to null; the message is the name."""


@dataclass(frozen=True, slots=True)
class Reference:
    """`parent.owner.id`, as a path."""

    path: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.path)


@lru_cache(maxsize=4_096)
def parse(text: str) -> tuple[str | Reference, ...]:
    """The parts of a template in order.

    Raises:
        ValueError: braces that hold no name, or are not closed; it says what is allowed.
    """
    parts: list[str | Reference] = []
    end = 0
    for found in _BRACES.finditer(text):
        name = found[1].strip()
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{{{{ {name[:60]} }}}} is no name: only names with dots, such as {{{{ variables.org }}}}, "
                "can stand in braces"
            )
        _add_literal(parts, text[end : found.start()])
        parts.append(Reference(tuple(name.split("."))))
        end = found.end()
    _add_literal(parts, text[end:])
    return tuple(parts)


def references(text: str) -> list[Reference]:
    """The names in a template."""
    return [part for part in parse(text) if isinstance(part, Reference)]


def render(text: str, scope: Scope, *, quote: Callable[[str], str] = str) -> str:
    """The template with its names replaced; `quote` is applied to each value, not to what is around it.

    Raises:
        Missing: a name has no value.
    """
    return "".join(
        part if isinstance(part, str) else quote(as_text(look_up(part, scope))) for part in parse(text)
    )


def value(text: str, scope: Scope) -> Any:
    """As `render`; but a template that is one name alone is the value itself, which may be a list."""
    parts = parse(text)
    if len(parts) == 1 and isinstance(parts[0], Reference):
        return look_up(parts[0], scope)
    return render(text, scope)


def look_up(name: Reference, scope: Scope) -> Any:
    """Raises: Missing."""
    found: Any = scope
    for step in name.path:
        found = found.get(step) if isinstance(found, Mapping) else None
    if found is None:
        raise Missing(str(name))
    return found


def as_text(found: Any) -> str:
    """A JSON value as it stands in a URL."""
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, str | int | float):
        return str(found)
    raise Missing("a list or an object cannot stand inside a text")


def _add_literal(parts: list[str | Reference], text: str) -> None:
    if "{{" in text or "}}" in text:
        raise ValueError("braces that are not closed, or not opened: write {{ name }}")
    if text:
        parts.append(text)
