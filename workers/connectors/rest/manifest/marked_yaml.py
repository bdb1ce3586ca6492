"""YAML read with the place of every value, so that an error can say where it is.

YAML's core schema only: `yes` and `on` are texts, so is `2024-01-31`; a number is one that JSON would take.
Keys are texts and come once. A document is small: no alias can make it grow without bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

Path = tuple[str | int, ...]

MOST_BYTES: Final = 1_000_000
MOST_VALUES: Final = 50_000
"""Of a document, aliases counted each time."""


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, both from 1."""

    line: int
    column: int


class NotYaml(Exception):
    """The text cannot be read; `place` says where. The message quotes nothing of the text."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True, slots=True)
class Marked:
    """A document and where each of its values stands; a path into it is of keys and positions."""

    data: Any
    values: Mapping[Path, Place]
    keys: Mapping[Path, Place]
    """Of the key of a mapping's value."""

    def place(self, path: Path, *, of_key: bool = False) -> Place:
        """Where the value (or its key) stands, or the innermost of those around it that there are."""
        if of_key and path in self.keys:
            return self.keys[path]
        for length in range(len(path), -1, -1):
            if path[:length] in self.values:
                return self.values[path[:length]]
        return Place(1, 1)


class _Loader(yaml.SafeLoader):
    """Resolves what the core schema knows; what PyYAML adds to it is left out."""


_Loader.yaml_implicit_resolvers = {}


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("bool", r"^(?:true|false)$", list("tf")),
    ("int", r"^-?(?:0|[1-9][0-9]*)$", list("-0123456789")),
    ("float", r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$", list("-0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def read_marked(text: str) -> Marked:
    """Reads one document.

    Raises:
        NotYaml: it is not YAML, is more than one document, is too large, or uses what is left out here.
    """
    if len(text) > MOST_BYTES:
        raise NotYaml(f"larger than {MOST_BYTES:,} characters", Place(1, 1))
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise NotYaml("the file is empty", Place(1, 1))
        reader = _Reader(loader)
        data = reader.read(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(_without_quotes(error.problem or "not YAML"), _place(mark)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise NotYaml("a character that YAML does not allow", Place(line, 1)) from None
    except RecursionError:
        raise NotYaml("nested too deeply", Place(1, 1)) from None
    finally:
        if loader is not None:
            loader.dispose()
    return Marked(data, reader.values, reader.keys)


class _Reader:
    def __init__(self, loader: _Loader) -> None:
        self._loader = loader
        self.values: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}
        self._inside: set[int] = set()

    def read(self, node: yaml.Node, path: Path) -> Any:
        place = _place(node.start_mark)
        if len(self.values) >= MOST_VALUES:
            raise NotYaml(f"more than {MOST_VALUES:,} values", place)
        if id(node) in self._inside:
            raise NotYaml("an alias that holds itself", place)
        self.values[path] = place
        self._inside.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.read(item, (*path, at)) for at, item in enumerate(node.value)]
            return self._scalar(node)
        finally:
            self._inside.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = _place(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                raise NotYaml("a key must be a text", place)
            key = str(key_node.value)
            if key in found:
                raise NotYaml("this key comes twice in one mapping", place)
            self.keys[*path, key] = place
            found[key] = self.read(value_node, (*path, key))
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        match kind:
            case "str":
                return str(node.value)
            case "null":
                return None
            case "bool":
                return node.value == "true"
            case "int":
                return int(node.value)
            case "float":
                return float(node.value)
        raise NotYaml("a tag (!...) is not used here", _place(node.start_mark))


def _place(mark: Any) -> Place:
    return Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)


def _without_quotes(problem: str) -> str:
    """A sentence of PyYAML's without what it quotes: a file that is no manifest may be a secret one."""
    return re.sub(r"'[^']{3,}'", "...", problem)
