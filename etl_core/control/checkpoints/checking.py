"""Checks what people write into a checkpoint against the models of its connector, and names each path."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from pydantic import BaseModel, ValidationError

from etl_core.connector import (
    CheckedCheckpoint,
    CheckpointByStream,
    LegacyCheckpoint,
    VersionedCheckpoint,
)
from etl_core.connectors_registry import find_connector
from etl_core.control.checkpoints.collector import without_collector
from etl_core.errors import InvalidInput, SourceError
from etl_core.models.checkpoint import CurrentCheckpoint
from etl_core.rules.checkpoints.diff import DocumentDiff, diff
from etl_core.rules.checkpoints.document import (
    BOOKMARK,
    FIRST_SCHEMA_VERSION,
    RESUME,
    Document,
    Place,
    from_json,
    kind_of,
)
from etl_core.rules.checkpoints.exact_json import BadJson, Json, dump, parse, refuse_unstorable, same
from etl_core.rules.checkpoints.paths import ValuePath, place_text
from etl_core.stored_state import models_of

MOST_PROBLEMS = 20
"""So many are told of one document."""
_PLACE = re.compile(r"line (\d+), column (\d+)")


class Problem(NamedTuple):
    """What is wrong with one value."""

    path: str
    """`orders/default.bookmark.through`; empty for the text as a whole."""
    what: str
    """What is expected, and what is there."""
    line: int | None = None
    column: int | None = None
    """Of a text that is no JSON, from 1 on."""

    def __str__(self) -> str:
        return f"{self.path}: {self.what}" if self.path else self.what


def check_text(current: CurrentCheckpoint, text: str) -> list[Problem]:
    """What is wrong with a whole document that somebody types; nothing: it could be set.

    Fast enough for each pause in typing: only partitions that differ from `current` are looked at.
    """
    try:
        with without_collector():
            document = from_json(parse(text))
            change = diff(current.document, document)
    except BadJson as error:
        at = _PLACE.match(str(error))
        return [Problem("", str(error), int(at[1]), int(at[2]))] if at else [Problem("", str(error))]
    except ValueError as error:
        return [Problem("", str(error))]
    return check_difference(current.integration_type, change)


def check_change(integration_type: str | None, before: Document, after: Document) -> list[Problem]:
    """What is wrong with the partitions of `after` that differ from `before`, at most `MOST_PROBLEMS`."""
    return check_difference(integration_type, diff(before, after))


def check_difference(integration_type: str | None, change: DocumentDiff) -> list[Problem]:
    """What is wrong with what a change leads to, at most `MOST_PROBLEMS`; what stays is not looked at."""
    connector = _connector(integration_type)
    if change.other_after is not None:
        return _check_other(connector, change.other_before, change.other_after)
    problems: list[Problem] = []
    known = _known_version(connector)
    for one in change.partitions:
        if one.after is None:
            continue
        versions = [side.schema_version for side in (one.before, one.after) if side is not None]
        if known is not None and max(versions) > known:
            what = (
                f"written in version {max(versions)} of its form, of which this program knows {known}: it is "
                f"not edited here; use the version of the program that wrote it"
            )
            problems.append(Problem(place_text(one.place), what))
        else:
            for part, value in ((BOOKMARK, one.after.bookmark), (RESUME, one.after.resume)):
                if value is not None:
                    model = _model(connector, one.place, part, one.after.schema_version, known)
                    problems.extend(_check_part(ValuePath(one.place, part), value, model))
        if len(problems) >= MOST_PROBLEMS:
            break
    return problems[:MOST_PROBLEMS]


def can_check(integration_type: str | None) -> bool:
    """Whether the connector's models are known here."""
    connector = _connector(integration_type)
    return isinstance(connector, (CheckedCheckpoint, CheckpointByStream))


def newer_places(integration_type: str | None, document: Document) -> frozenset[Place]:
    """Partitions in a form that a newer version of their connector wrote."""
    later = [
        (place, value) for place, value in document.items() if value.schema_version > FIRST_SCHEMA_VERSION
    ]
    if not later:  # then no connector needs to be loaded
        return frozenset()
    known = _known_version(_connector(integration_type))
    return frozenset(place for place, value in later if known is not None and value.schema_version > known)


def told(problems: Iterable[Problem]) -> str:
    """All of them in a line."""
    return "; ".join(map(str, problems))


def _connector(integration_type: str | None) -> Any:
    """The class; None where it is not installed. Any, for it is asked as an object for what it has."""
    if integration_type is None:
        return None
    try:
        return find_connector(integration_type)
    except InvalidInput:
        return None  # it may well be installed where the workers are


def _known_version(connector: Any) -> int | None:
    if connector is None:
        return None
    return (
        connector.checkpoint_version if isinstance(connector, VersionedCheckpoint) else FIRST_SCHEMA_VERSION
    )


def _model(
    connector: Any, place: Place, part: str, version: int, known: int | None
) -> type[BaseModel] | None:
    if version != known:
        return None  # an older form: it is upgraded when it is read
    models = models_of(connector, *place)
    return None if models is None else models[part == RESUME]


def _check_part(path: ValuePath, value: Json, model: type[BaseModel] | None) -> list[Problem]:
    try:
        refuse_unstorable(value)
    except BadJson as error:
        return [Problem(str(path), str(error))]
    if model is None:
        return []
    plain = msgspec.json.decode(dump(value))  # as a worker gets it: numbers with a point are floats
    try:
        model.model_validate(plain)
    except ValidationError as error:
        return [_problem(path, plain, one) for one in error.errors(include_url=False, include_context=False)]
    return []


def _problem(path: ValuePath, value: Any, problem: Any) -> Problem:
    steps: list[str | int] = []
    here = value
    rest: tuple[str | int, ...] = problem["loc"]
    for at, step in enumerate(rest):
        in_object = isinstance(here, dict) and step in here
        if in_object or (isinstance(here, list) and isinstance(step, int) and step < len(here)):
            here = here[step]
        elif at < len(rest) - 1 or problem["type"] != "missing":
            continue  # no step into the value: the name of one of the models that it may be of
        steps.append(step)
    where = str(ValuePath(path.place, path.part, tuple(steps)))
    match problem["type"]:
        case "missing":
            return Problem(where, "is missing")
        case "extra_forbidden":
            return Problem(where, "unknown field")
        case "model_type" | "model_attributes_type" | "dict_type":
            return Problem(where, f"should be an object, and is {_shown(here)}")
    expected = problem["msg"].removeprefix("Value error, ").replace("Input should be ", "should be ", 1)
    return Problem(where, f"{expected}, and is {_shown(here)}")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {value[:40]!a}" + ("..." if len(value) > 40 else "")
    return kind_of(value)


def _check_other(connector: Any, before: Json, value: Json) -> list[Problem]:
    """A document without streams: only where one stands, or the connector reads such."""
    try:
        refuse_unstorable(value)
    except BadJson as error:
        return [Problem("", str(error))]
    if same(value, before):
        return []
    if not isinstance(value, dict):
        return [Problem("", f"a checkpoint is an object with streams, or null; this is {kind_of(value)}")]
    if isinstance(connector, LegacyCheckpoint):
        refusal = _refusal_of(connector, value)
        return [Problem("", refusal)] if refusal else []
    if before is not None:
        return []
    return [Problem("streams", 'is missing; write {"streams": {"STREAM": {"default": {"bookmark": ...}}}}')]


def _refusal_of(connector: LegacyCheckpoint, value: Json) -> str | None:
    try:
        connector.upgrade_legacy(msgspec.json.decode(dump(value)))
    except SourceError as error:
        return str(error)
    except Exception as error:  # a connector's defect on a document that nobody foresaw
        return f"its connector cannot read it ({type(error).__name__}: {error})"
    return None
