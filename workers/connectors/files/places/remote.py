"""Object stores and SFTP servers, through fsspec. A file is downloaded whole and then read from the spool."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from etl_core.errors import Permanent, SourceError, Transient
from workers.connectors.files.places.files import (
    Changed,
    Copy,
    Found,
    Selection,
    SourceFile,
    Stopped,
    Version,
    missing_file,
    nothing_matches,
)
from workers.connectors.files.places.patterns import (
    common_folder,
    is_locked,
    matches,
    matches_any,
    split_pattern,
)
from workers.connectors.files.places.remote_errors import translate
from workers.connectors.files.places.spool import Spool, Writing
from workers.connectors.files.threads import in_thread

PIECE = 4 << 20
"""Bytes of one request; the run can be cancelled behind each."""
ATTEMPTS = 5
"""Of reading on behind the same byte."""
FIRST_WAIT = 0.25
"""Seconds before the second attempt; doubles with each."""
_WHOLE_ATTEMPTS = 3
_TAGS = ("generation", "ETag", "etag", "content_settings.content_md5")
_TIMES = ("LastModified", "last_modified", "updated", "mtime")

FileSystem = Any
"""fsspec's AbstractFileSystem."""


class RemotePlace:
    """A file system of fsspec; `root` and a path make the address that people see."""

    def __init__(self, root: str, selection: Selection, connect: Callable[[], FileSystem]) -> None:
        self._root = root
        self._selection = selection
        self._connect = connect
        self._connected: FileSystem | None = None
        self._spool = Spool()

    async def find(self) -> Found:
        found: Found = await self._in_thread(self._find)
        return found

    async def look(self, file: SourceFile) -> Version:
        version: Version = await self._in_thread(self._look, file)
        return version

    async def fetch(self, file: SourceFile) -> Copy:
        kept = self._spool.find(file.path)
        return kept if kept is not None else await self._in_thread(self._download, file)

    def forget(self, file: SourceFile) -> None:
        self._spool.forget(file.path)

    async def close(self) -> None:
        self._spool.close()
        self._connected = None

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        stop = threading.Event()
        failed: SourceError
        try:
            return await in_thread(stop, function, *args, stop)
        except SourceError as error:
            failed = error
        # Outside of the `except`, and without what a library raised: that may hold a credential.
        failed.__cause__ = failed.__context__ = None
        raise failed

    def _fs(self) -> FileSystem:
        if self._connected is None:
            self._connected = self._connect()
        return self._connected

    def _find(self, stop: threading.Event) -> Found:
        base = common_folder(self._selection.patterns)
        found: dict[str, SourceFile] = {}
        unfinished: list[str] = []
        for pattern in self._selection.patterns:
            is_pattern = bool(split_pattern(pattern)[1])
            listed = self._listed(pattern) if is_pattern else self._single(pattern)
            beside = {path for path in listed if path.endswith((".lock", "#"))}
            for path, detail in listed.items():
                if stop.is_set():
                    raise Stopped
                partition = path[len(base) :].lstrip("/") if base else path
                if not (is_pattern and matches(path, pattern)) and path != pattern:
                    continue
                if matches_any(partition, self._selection.exclude):
                    continue
                if is_pattern and matches_any(partition, self._selection.unfinished):
                    unfinished.append(partition)
                    continue
                folder, _, name = path.rpartition("/")
                found[path] = SourceFile(
                    path,
                    partition,
                    from_pattern=is_pattern or len(self._selection.patterns) > 1,
                    version=version_of(detail),
                    shown=self._shown(path),
                    locked=is_locked(name, {each.rpartition("/")[2] for each in beside if folder in each}),
                )
        if not found:
            patterns = self._selection.patterns
            if len(patterns) == 1 and not split_pattern(patterns[0])[1]:
                raise missing_file(self._shown(patterns[0]))
            raise nothing_matches(", ".join(map(self._shown, patterns)), unfinished)
        return Found(sorted(found.values(), key=lambda file: file.partition), unfinished)

    def _listed(self, pattern: str) -> Mapping[str, Any]:
        """Path -> details of all files below the pattern's folder, as deep as the pattern can reach."""
        fixed, rest = split_pattern(pattern)
        depth = None if "**" in rest else rest.count("/") + 1
        with self._errors(fixed):
            try:
                listed = self._fs().find(fixed, maxdepth=depth, detail=True)
            except FileNotFoundError:
                return {}
        return {
            path: detail
            for path, detail in listed.items()
            if detail.get("type") == "file" and not path.endswith("/")
        }

    def _single(self, path: str) -> Mapping[str, Any]:
        with self._errors(path):
            try:
                detail = self._fs().info(path)
            except FileNotFoundError:
                return {}
        if detail.get("type") == "directory":
            shown = self._shown(path).rstrip("/")
            raise Permanent(f"{shown} is a folder; give a file or a pattern, such as {shown}/*.csv")
        return {path: detail}

    def _look(self, file: SourceFile, stop: threading.Event) -> Version:
        with self._errors(file.path):
            try:
                fs = self._fs()
                fs.invalidate_cache()
                return version_of(fs.info(file.path))
            except FileNotFoundError:
                raise missing_file(file.name) from None

    def _download(self, file: SourceFile, stop: threading.Event) -> Copy:
        """Raises Changed: it was another file each time it was read to its end."""
        for attempt in range(_WHOLE_ATTEMPTS):
            before = self._look(file, stop) if attempt else file.version
            writing = self._spool.begin()
            try:
                self._read_into(writing, file, before, stop)
            except Changed:
                continue
            if self._look(file, stop).is_surely(before):
                return self._spool.finish(file.path, writing, before)
        raise Changed

    def _read_into(self, writing: Writing, file: SourceFile, version: Version, stop: threading.Event) -> None:
        failures = 0
        while True:
            began_at = writing.size
            try:
                with self._errors(file.path):
                    self._read_on(writing, file.path, stop)
                if self._is_whole(writing, file, version):
                    return
            except FileNotFoundError:
                raise missing_file(file.name) from None
            except Transient as error:
                failures = 1 if writing.size > began_at else failures + 1
                if failures >= ATTEMPTS or not error.retry_in_place:
                    raise
                if stop.wait(FIRST_WAIT * 2 ** (failures - 1)):
                    raise Stopped from None

    @staticmethod
    def _is_whole(writing: Writing, file: SourceFile, version: Version) -> bool:
        """Raises Changed: it has grown. Transient: it ended too early."""
        if version.size is not None and writing.size > version.size:
            raise Changed
        if version.size is not None and writing.size < version.size:
            raise Transient(f"{file.name}: it ended before its end, at byte {writing.size:,}")
        return True

    def _read_on(self, writing: Writing, path: str, stop: threading.Event) -> None:
        with self._fs().open(path, "rb", block_size=PIECE, cache_type="none") as handle:
            handle.seek(writing.size)
            while data := handle.read(PIECE):
                if stop.is_set():
                    raise Stopped
                writing.write(data)

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        """What a library raises becomes a SourceError."""
        found: SourceError | Changed | None = None
        try:
            yield
        except (SourceError, Stopped, Changed, FileNotFoundError):
            raise
        except Exception as error:
            found = translate(error, self._shown(path))
        if found is not None:
            raise found

    def _shown(self, path: str) -> str:
        return f"{self._root}{path}"


def version_of(detail: Mapping[str, Any]) -> Version:
    """Of what the file systems call differently."""
    tag = next((str(detail[name]) for name in _TAGS if detail.get(name)), None)
    moment = next((detail[name] for name in _TIMES if detail.get(name) is not None), None)
    size = detail.get("size")
    return Version(None if size is None else int(size), _nanoseconds(moment), tag)


def _nanoseconds(moment: Any) -> int | None:
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return None
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1_000_000) * 1_000
    return int(moment * 1_000_000_000) if isinstance(moment, int | float) else None
