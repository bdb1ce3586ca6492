"""A tap's catalog: its streams as ours, and what of them is selected. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from etl_core.connector import Column, ColumnType, Stream
from etl_core.errors import Permanent
from workers.connectors.singer.config import SingerConfig, StreamSettings

_T = ColumnType


@dataclass(frozen=True, slots=True)
class TapStream:
    """One stream of a catalog."""

    name: str
    key: tuple[str, ...]
    schema: Mapping[str, Any]
    replication: str
    """How it is read, in words: "incremental by updated_at", "as a whole"."""
    is_selected: bool

    def to_stream(self, *, full_refresh: bool) -> Stream:
        """With the columns whose types its schema tells; the others come with the records."""
        return Stream(self.name, columns_of(self.schema), self.key, infer=True, full_refresh=full_refresh)


def select(catalog: Mapping[str, Any], config: SingerConfig) -> dict[str, Any]:
    """The catalog for the tap, with its metadata set to what is selected and how it is to be read.

    Raises:
        Permanent: it is no catalog, or the configuration names a stream that it does not have.
    """
    made = copy.deepcopy(dict(catalog))
    entries = _entries(made)
    names = {_name_of(entry) for entry in entries}
    for entry in entries:
        _select_stream(entry, config)
    patterns = {pattern.lstrip("!").partition(".")[0] for pattern in config.select}
    for pattern in sorted(patterns | config.streams.keys()):
        if not any(fnmatchcase(name, pattern) for name in names):
            offered = ", ".join(sorted(names)) or "none"
            raise Permanent(f"the tap has no stream {pattern}; there are {offered}")
    return made


def streams_of(catalog: Mapping[str, Any], config: SingerConfig) -> list[TapStream]:
    """The streams of a catalog that `select` has made."""
    return [_stream_of(entry, config.streams.get(_name_of(entry))) for entry in _entries(catalog)]


def columns_of(schema: Mapping[str, Any]) -> tuple[Column, ...]:
    """Those whose type a JSON schema tells for sure.

    An integer's is left to its values: it is a bigint as long as all fit into one, else a numeric.
    """
    properties = schema.get("properties")
    found = []
    for name, said in (properties if isinstance(properties, dict) else {}).items():
        kinds = set(_kinds(said))
        kind = _one_type(kinds)
        if kind is not None and name:
            found.append(Column(name, kind))
    return tuple(found)


def _one_type(kinds: set[ColumnType]) -> ColumnType | None:
    if kinds == {_T.BIGINT}:
        return None
    if kinds == {_T.BIGINT, _T.NUMERIC}:
        return _T.NUMERIC
    if kinds in ({_T.TEXT, _T.TIMESTAMPTZ}, {_T.TEXT, _T.DATE}, {_T.TEXT, _T.DATE, _T.TIMESTAMPTZ}):
        return _T.TEXT
    return kinds.pop() if len(kinds) == 1 else _T.JSONB


def _kinds(said: Any) -> Iterator[ColumnType]:
    """What a property may hold; null is no type."""
    if not isinstance(said, dict):
        yield _T.JSONB
        return
    branches = [branch for word in ("anyOf", "oneOf", "allOf") for branch in said.get(word) or ()]
    if branches and "type" not in said:
        for branch in branches:
            yield from _kinds(branch)
        return
    types = said.get("type")
    listed = [types] if isinstance(types, str) else types if isinstance(types, list) else []
    if not listed:
        yield _T.JSONB
    for each in listed:
        if each != "null":
            yield _kind(each, said.get("format"))


def _kind(named: str, written: Any) -> ColumnType:
    if named == "string":
        by_format = {"date-time": _T.TIMESTAMPTZ, "date": _T.DATE, "singer.decimal": _T.NUMERIC}
        return by_format.get(written, _T.TEXT) if isinstance(written, str) else _T.TEXT
    by_name = {"integer": _T.BIGINT, "number": _T.NUMERIC, "boolean": _T.BOOLEAN}
    return by_name.get(named, _T.JSONB)


def _entries(catalog: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = catalog.get("streams")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Permanent("what the tap discovered is no catalog: it has no list `streams`")
    return entries


def _name_of(entry: Mapping[str, Any]) -> str:
    """As its messages name the stream."""
    return str(entry.get("stream") or entry.get("tap_stream_id") or entry.get("name") or "")


def _stream_of(entry: Mapping[str, Any], settings: StreamSettings | None) -> TapStream:
    about = _metadata(entry, ())
    key = about.get("table-key-properties") or about.get("view-key-properties") or entry.get("key_properties")
    if settings is not None and settings.key is not None:
        key = settings.key
    method = about.get("forced-replication-method") or about.get("replication-method")
    method = method or entry.get("replication_method") or ""
    by = about.get("replication-key") or entry.get("replication_key")
    words = {"FULL_TABLE": "as a whole", "LOG_BASED": "by log", "INCREMENTAL": "incremental"}.get(method, "")
    schema = entry.get("schema")
    return TapStream(
        _name_of(entry),
        tuple(str(name) for name in key or ()),
        schema if isinstance(schema, dict) else {},
        f"{words or 'incremental'} by {by}" if by and method != "FULL_TABLE" else words or "as the tap does",
        about.get("selected") is True,
    )


def _select_stream(entry: dict[str, Any], config: SingerConfig) -> None:
    name = _name_of(entry)
    settings = config.streams.get(name)
    given = {} if settings is None else settings.model_dump(exclude={"key"}, exclude_none=True)
    metadata = entry.get("metadata")
    known = {
        tuple(each["breadcrumb"]): dict(each.get("metadata") or {})
        for each in (metadata if isinstance(metadata, list) else [])
        if isinstance(each, dict) and isinstance(each.get("breadcrumb"), list)
    }
    about = known.setdefault((), {})
    about["selected"] = _is_selected(about, name, None, config.select)
    about.update({word.replace("_", "-"): value for word, value in given.items()})
    schema = entry.get("schema")
    for field in (schema.get("properties") or {}) if isinstance(schema, dict) else {}:
        of_field = known.setdefault(("properties", field), {})
        if of_field.get("inclusion") not in ("automatic", "unsupported"):
            of_field["selected"] = about["selected"] and _is_selected(of_field, name, field, config.select)
    entry["metadata"] = [{"breadcrumb": list(where), "metadata": what} for where, what in known.items()]
    entry.update(given)
    entry["selected"] = about["selected"]  # taps from before metadata look here


def _is_selected(about: Mapping[str, Any], stream: str, field: str | None, patterns: Sequence[str]) -> bool:
    """The last pattern that fits decides; where none does, those are selected that no pattern leaves out.

    Without any pattern, what the catalog itself says.
    """
    if not patterns:
        return about.get("selected", about.get("selected-by-default", True)) is not False
    chosen = not any(_chooses_among(pattern, stream, field) for pattern in patterns)
    for pattern in patterns:
        of_stream, dot, of_field = pattern.removeprefix("!").partition(".")
        is_exclusion = pattern.startswith("!")
        if not fnmatchcase(stream, of_stream):
            continue
        if field is None:  # of a stream that is named for one of its fields, the field alone is left out
            chosen = chosen if dot and is_exclusion else not is_exclusion
        elif dot and fnmatchcase(field, of_field):
            chosen = not is_exclusion
    return chosen


def _chooses_among(pattern: str, stream: str, field: str | None) -> bool:
    """Whether what the pattern does not name is left out for its sake."""
    of_stream, dot, _ = pattern.partition(".")
    if pattern.startswith("!"):
        return False
    return field is None or (bool(dot) and fnmatchcase(stream, of_stream))


def _metadata(entry: Mapping[str, Any], breadcrumb: Iterable[str]) -> dict[str, Any]:
    where = list(breadcrumb)
    metadata = entry.get("metadata")
    for each in metadata if isinstance(metadata, list) else []:
        if isinstance(each, dict) and each.get("breadcrumb") == where:
            return dict(each.get("metadata") or {})
    return {}
