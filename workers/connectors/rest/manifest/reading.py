"""A manifest is read: from text to the model, or to errors that say line, column, place and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from workers.connectors.rest.manifest.agreement import Problem, disagreements
from workers.connectors.rest.manifest.marked_yaml import Marked, NotYaml, Path, read_marked
from workers.connectors.rest.manifest.model import Manifest


class ManifestError(ValueError):
    """A manifest that cannot be used: each problem a line `FILE:LINE:COLUMN: PLACE: what; what to do`."""

    def __init__(self, problems: list[str]) -> None:
        more = len(problems) - 1
        first = problems[0]
        super().__init__(first if not more else f"{first} (and {more} more)")
        self.problems = problems


def read_manifest(text: str, name: str) -> Manifest:
    """The manifest in a text; `name` is what errors call it.

    Raises:
        ManifestError: it is no YAML, or no manifest.
    """
    try:
        marked = read_marked(text)
    except NotYaml as error:
        place = error.place
        raise ManifestError([f"{name}:{place.line}:{place.column}: {error}"]) from None
    if not isinstance(marked.data, dict) or not {"version", "streams"} & marked.data.keys():
        # Nothing more is said of it: a file that is no manifest may be a secret one.
        raise ManifestError([f"{name}:1:1: this is no manifest: it has neither `version` nor `streams`"])
    try:
        manifest = Manifest.model_validate(marked.data)
    except ValidationError as error:
        found = error.errors(include_url=False)
        misspelt = {(path[:-1], meant) for path, meant in _misspelt(found, marked.data)}
        problems = [
            _problem(each, marked.data)
            for each in found
            if each["type"] != "missing" or (_path(each["loc"], marked.data), each["loc"][-1]) not in misspelt
        ]
        raise ManifestError(_told(problems, marked, name)) from None
    if problems := list(disagreements(manifest)):
        raise ManifestError(_told(problems, marked, name))
    return manifest


def _misspelt(errors: Iterable[ErrorDetails], data: Any) -> Iterator[tuple[Path, str]]:
    """Fields that do not exist, with the one that is meant: it is not missing then."""
    for error in errors:
        if error["type"] == "extra_forbidden":
            path = _path(error["loc"], data)
            for meant in get_close_matches(str(path[-1]), _fields(), n=1):
                yield path, meant


def _told(problems: list[Problem], marked: Marked, name: str) -> list[str]:
    found = []
    for problem in problems:
        place = marked.place(problem.path, of_key=problem.of_key)
        where = ".".join(str(step) for step in problem.path)
        between = f" {where}:" if where else ""
        found.append(
            (place.line, place.column, f"{name}:{place.line}:{place.column}:{between} {problem.message}")
        )
    return [line for _, _, line in sorted(dict.fromkeys(found))]


def _problem(error: ErrorDetails, data: Any) -> Problem:  # noqa: PLR0911 - a line per kind
    kind, context = error["type"], error.get("ctx", {})
    path = _path(error["loc"], data)
    match kind:
        case "missing":
            field = str(error["loc"][-1])
            purpose = _purposes().get(field)
            return Problem(path, f"`{field}` is missing" + (f": {purpose}" if purpose else ""))
        case "extra_forbidden":
            close = get_close_matches(str(path[-1]), _fields(), n=1)
            meant = f"; did you mean `{close[0]}`?" if close else "; take it out"
            return Problem(path, f"there is no such field{meant}", of_key=True)
        case "union_tag_not_found":
            return Problem(path, "`type` is missing; see docs/rest-manifest.md for the types")
        case "union_tag_invalid":
            return Problem((*path, "type"), f"unknown; one of {_listed(context['expected_tags'])} is wanted")
        case "enum" | "literal_error":
            return Problem(path, f"unknown; one of {_listed(context['expected'])} is wanted")
        case "string_pattern_mismatch":
            is_name = error["loc"][-1] == "[key]"
            told = (
                "a name is of small letters, digits and _, and begins with a letter"
                if is_name
                else (f"must match {context['pattern']}")
            )
            return Problem(path, told, of_key=is_name)
    return Problem(path, _WORDS.get(kind) or error["msg"].removeprefix("Value error, "))


_WORDS = {
    "string_type": "a text is wanted; put it in quotes if it looks like a number, true, false or null",
    "dict_type": "a mapping (`name: value`) is wanted",
    "model_type": "a mapping (`name: value`) is wanted",
    "model_attributes_type": "a mapping (`name: value`) is wanted",
    "tuple_type": "a list is wanted: [a, b]",
    "bool_type": "true or false is wanted",
    "bool_parsing": "true or false is wanted",
    "int_type": "a whole number is wanted",
    "int_parsing": "a whole number is wanted",
    "int_from_float": "a whole number is wanted",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
}


def _listed(expected: str) -> str:
    """pydantic's `'a', 'b' or 'c'` in our words."""
    names = [name.strip().strip("'") for name in expected.replace(" or ", ", ").split(",")]
    return ", ".join(names)


def _path(location: tuple[int | str, ...], data: Any) -> Path:
    """The steps of a location that are in the document: no tags of unions, no fields that are missing."""
    path: list[str | int] = []
    here = data
    for step in location:
        is_item = isinstance(here, list) and isinstance(step, int) and step < len(here)
        if is_item or (isinstance(here, Mapping) and step in here):
            here = here[step]
            path.append(step)
    return tuple(path)


@cache
def _fields() -> list[str]:
    return sorted({name for name, _ in _model_fields()})


@cache
def _purposes() -> dict[str, str]:
    """Field -> what it is, for fields that mean one thing wherever they are."""
    told: dict[str, set[str]] = {}
    for name, purpose in _model_fields():
        told.setdefault(name, set()).add(purpose)
    return {
        name: next(iter(purposes)) for name, purposes in told.items() if len(purposes) == 1 and any(purposes)
    }


def _model_fields() -> Iterator[tuple[str, str]]:
    schema = TypeAdapter(Manifest).json_schema()
    models: list[Mapping[str, Any]] = [schema, *schema["$defs"].values()]
    for model in models:
        for inner in (model, *model.get("anyOf", ())):
            for name, field in inner.get("properties", {}).items():
                yield name, field.get("description", "")
