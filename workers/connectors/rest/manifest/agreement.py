"""What must agree between the parts of a manifest, beyond what each part can say of itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches

from workers.connectors.rest.manifest import template
from workers.connectors.rest.manifest.marked_yaml import Path
from workers.connectors.rest.manifest.model import Manifest
from workers.connectors.rest.manifest.paging import Cursor, ODataDelta, PageNumber, Seek
from workers.connectors.rest.manifest.stream import Incremental, StreamSpec


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at a place of the document, and what to do."""

    path: Path
    message: str
    of_key: bool = False
    """The key itself is what is wrong."""


def disagreements(manifest: Manifest) -> Iterator[Problem]:
    """Everything that does not agree, in the order of the document's parts."""
    yield from _names(manifest, ("base_url",), manifest.base_url, {"variables"})
    if manifest.auth is not None:
        given = manifest.auth.model_dump()
        for name, text in given.items():
            for path, inner in _texts(("auth", name), text):
                yield from _names(manifest, path, inner, {"variables", "secrets"})
        yield from _in_clear(given)
    for part, value in (("headers", manifest.headers), ("params", manifest.params)):
        for path, text in _texts((part,), value):
            yield from _names(manifest, path, text, {"variables"})
    if manifest.check is not None:
        for path, text in _texts(("check",), {"path": manifest.check.path, "params": manifest.check.params}):
            yield from _names(manifest, path, text, {"variables"})
    if isinstance(manifest.pagination, Cursor):
        yield from _cursor(manifest.pagination, ("pagination",))
    for name, stream in manifest.streams.items():
        yield from _Checked(manifest, name, stream).problems()


def _in_clear(auth: Mapping[str, object]) -> Iterator[Problem]:
    """A password may be a word without meaning, where the user's name is the secret."""
    texts = [str(text) for text in auth.values()]
    if any(found.path[0] == "secrets" for text in texts for found in template.references(text)):
        return
    for name in ("token", "value", "password", "client_secret", "refresh_token"):
        if auth.get(name):
            message = "a secret in clear: declare it under `secrets` and write {{ secrets.NAME }} here"
            yield Problem(("auth", name), message)


class _Checked:
    """One stream in its manifest."""

    def __init__(self, manifest: Manifest, name: str, stream: StreamSpec) -> None:
        self._manifest = manifest
        self._stream = stream
        self._path: Path = ("streams", name)
        self._paging = manifest.pagination_of(stream)

    def problems(self) -> Iterator[Problem]:
        stream = self._stream
        if stream.within is not None:
            yield from self._inside()
        elif stream.path is None:
            yield self._problem(
                "give `path`, where its list is, or `within`, the stream whose records hold it"
            )
        yield from self._templates()
        yield from self._columns()
        yield from self._family()
        if stream.within is None:
            yield from self._incremental()
            yield from self._full_refresh()
        if isinstance(stream.pagination, Cursor):
            yield from _cursor(stream.pagination, (*self._path, "pagination"))

    def _problem(self, message: str, *below: str | int, of_key: bool = False) -> Problem:
        return Problem((*self._path, *below), message, of_key)

    def _inside(self) -> Iterator[Problem]:
        allowed = {
            "description",
            "within",
            "records",
            "key",
            "columns",
            "infer",
            "leave_out",
            "add",
            "deleted",
        }
        for field in sorted(self._stream.model_fields_set - allowed):
            yield self._problem(
                "a stream `within` another comes with its pages and cannot have this: take it out",
                field,
                of_key=True,
            )

    def _templates(self) -> Iterator[Problem]:
        stream = self._stream
        scopes = {"variables"}
        if stream.parent or stream.within:
            scopes.add("parent")
        if stream.partitions:
            scopes.add("partition")
        for part in ("path", "params", "headers", "add"):
            for path, text in _texts((*self._path, part), getattr(stream, part)):
                yield from _names(self._manifest, path, text, scopes)
        if stream.parent and stream.parent.partition:
            path = (*self._path, "parent", "partition")
            yield from _names(self._manifest, path, stream.parent.partition, {"variables", "parent"})
        if stream.partitions:
            for path, text in _texts((*self._path, "partitions", "values"), stream.partitions.values):
                yield from _names(self._manifest, path, text, {"variables"})
        if stream.incremental and stream.incremental.start:
            path = (*self._path, "incremental", "start")
            yield from _names(self._manifest, path, stream.incremental.start, {"variables"})

    def _columns(self) -> Iterator[Problem]:
        stream = self._stream
        known = {*stream.columns, *stream.add}
        for at, column in enumerate(stream.key):
            if not stream.infers and column not in known:
                yield self._problem(
                    f"the key column `{column}` is not among the columns{_meant(column, known)}", "key", at
                )
            if column in stream.leave_out:
                yield self._problem(f"`{column}` is part of the key and cannot be left out", "leave_out")
        if len(set(stream.key)) < len(stream.key):
            yield self._problem("a column comes twice", "key")
        if not stream.columns and stream.infer is False:
            yield self._problem(
                "without columns they must be inferred: take it out, or name columns", "infer"
            )
        if stream.deleted and not stream.key:
            yield self._problem("a deletion needs a `key` to say of which record", "deleted", of_key=True)

    def _family(self) -> Iterator[Problem]:
        stream, streams = self._stream, self._manifest.streams
        if stream.parent and stream.partitions:
            yield self._problem(
                "a stream has a `parent` or `partitions`, not both", "partitions", of_key=True
            )
        for part in ("parent", "within"):
            relation = getattr(stream, part)
            if relation is None:
                continue
            other = streams.get(relation.stream)
            if other is None:
                meant = _meant(relation.stream, streams)
                yield self._problem(f"there is no stream `{relation.stream}`{meant}", part, "stream")
            elif other.within is not None:
                yield self._problem(
                    f"`{relation.stream}` is itself `within` a stream and cannot have others", part, "stream"
                )
            elif part == "parent" and not other.key and not relation.partition:
                yield self._problem(
                    f"`{relation.stream}` has no key: say with `partition` what tells its records apart", part
                )
        if stream.parent and self._is_its_own_ancestor():
            yield self._problem("the stream is its own ancestor", "parent", "stream")

    def _is_its_own_ancestor(self) -> bool:
        seen = set()
        at = self._path[1]
        while (stream := self._manifest.streams.get(str(at))) and stream.parent:
            if at in seen:
                return True
            seen.add(at)
            at = stream.parent.stream
        return False

    def _incremental(self) -> Iterator[Problem]:
        stream, incremental, paging = self._stream, self._stream.incremental, self._paging
        if isinstance(paging, ODataDelta):
            for part in ("incremental", "windows", "full_refresh"):
                if part in stream.model_fields_set:
                    yield self._problem(
                        "a delta link says itself what is new and what is gone: take it out",
                        part,
                        of_key=True,
                    )
            return
        if stream.windows and incremental is None:
            yield self._problem("windows of time need `incremental`, which says where they begin", "windows")
        if isinstance(paging, Seek) and (incremental is None or stream.windows):
            yield self._problem(
                "`seek` needs `incremental` with a `param`, and no windows: see its reference"
            )
        if incremental is None:
            return
        if stream.windows is None and incremental.param is None:
            yield self._problem(
                "give `param`, the parameter that takes the value (or `windows`)", "incremental"
            )
        if stream.windows is not None:
            yield from self._windows(incremental)
        is_duration = isinstance(incremental.overlap, timedelta)
        if incremental.overlap and is_duration != (incremental.kind == "time"):
            wanted = "a duration, as 5m" if incremental.kind == "time" else "a whole number"
            yield self._problem(
                f"for a cursor of kind {incremental.kind} give {wanted}", "incremental", "overlap"
            )

    def _windows(self, incremental: Incremental) -> Iterator[Problem]:
        if incremental.param is not None:
            yield self._problem("with windows, their parameters say it: take it out", "incremental", "param")
        if incremental.start is None:
            yield self._problem("give `start`, where the first window begins", "incremental")
        if incremental.kind != "time":
            yield self._problem("windows are of time", "incremental", "kind")

    def _full_refresh(self) -> Iterator[Problem]:
        stream = self._stream
        if not stream.full_refresh or isinstance(self._paging, ODataDelta):
            return
        if not stream.key:
            yield self._problem("needs a `key`: what is gone is known by it", "full_refresh")
        if stream.incremental:
            yield self._problem(
                "a run that asks for what changed cannot know what is gone: take out this or `incremental`",
                "full_refresh",
            )
        if isinstance(self._paging, PageNumber):
            yield self._problem(
                "page numbers shift when a record is deleted during the walk, and what was missed would be "
                "marked deleted: use offset, a cursor or a next URL, or take it out",
                "full_refresh",
            )


def _cursor(paging: Cursor, path: Path) -> Iterator[Problem]:
    if (paging.cursor is None) == (paging.header is None):
        yield Problem(path, "give `cursor`, where it is in the body, or `header`, and not both")


def _texts(path: Path, given: object) -> Iterator[tuple[Path, str]]:
    """Every text below, with its place."""
    if isinstance(given, str):
        yield path, given
    elif isinstance(given, dict):
        for name, inner in given.items():
            yield from _texts((*path, name), inner)
    elif isinstance(given, tuple):
        for at, inner in enumerate(given):
            yield from _texts((*path, at), inner)


def _names(manifest: Manifest, path: Path, text: str, scopes: set[str]) -> Iterator[Problem]:
    """The names in a template that mean nothing there."""
    declared: dict[str, Iterable[str]] = {
        "variables": manifest.variables,
        "secrets": manifest.secrets,
        "partition": ("value",),
    }
    for name in template.references(text):
        scope, *rest = name.path
        if scope not in scopes:
            yield Problem(path, f"`{name}` means nothing here; {_possible(scopes)}")
        elif not rest:
            yield Problem(path, f"`{name}` must say which: {scope}.NAME")
        elif scope in declared and rest[0] not in declared[scope]:
            known = [f"{scope}.{each}" for each in declared[scope]]
            meant = _meant(str(name), known) or f": declare it under `{scope}`"
            yield Problem(path, f"`{name}` is not declared{meant}")


def _possible(scopes: set[str]) -> str:
    return "possible are " + ", ".join(f"{scope}.NAME" for scope in sorted(scopes))


def _meant(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""
