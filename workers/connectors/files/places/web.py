"""Files on the web: addresses, and patterns over the index pages that servers show of a folder."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from etl_core.errors import Permanent, Transient
from workers.connectors.files.places.address import Address
from workers.connectors.files.places.files import (
    Changed,
    Copy,
    FileMissing,
    Found,
    Selection,
    SourceFile,
    Version,
    missing_file,
    nothing_matches,
)
from workers.connectors.files.places.options import HttpOptions
from workers.connectors.files.places.patterns import common_folder, matches, matches_any, split_pattern
from workers.connectors.files.places.spool import Spool, Writing
from workers.connectors.files.places.web_calls import WebCalls
from workers.connectors.files.places.web_index import links_of
from workers.http import Missing, Refused
from workers.http.response import parse_moment

MOST_FAILURES = 6
"""Downloads that break off without coming any further."""
FIRST_WAIT = 0.25
"""Seconds before the second attempt; doubles with each."""
_WRITTEN_AT_ONCE = 1 << 18
_MOST_INDEX = 16 << 20
_MOST_FOLDERS = 1_000


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the headers of an answer say of its file."""

    version: Version
    validator: str | None
    """For If-Range: a strong tag, or the time of change."""

    @classmethod
    def of(cls, response: httpx.Response) -> _Answer:
        headers = response.headers
        tag = headers.get("etag")
        changed = headers.get("last-modified", "")
        moment = parse_moment(changed)
        length = headers.get("content-length")
        version = Version(
            int(length) if length and length.isdigit() else None,
            None if moment is None else int(moment.timestamp()) * 1_000_000_000,
            tag,
        )
        return cls(version, tag if tag and not tag.startswith("W/") else (changed if moment else None))


class WebPlace:
    """One server; its credential is sent nowhere else."""

    def __init__(self, address: Address, selection: Selection, options: HttpOptions) -> None:
        self._root = address.root
        self._query = address.query
        self._selection = selection
        self._calls = WebCalls(options)
        self._spool = Spool()

    async def find(self) -> Found:
        patterns = self._selection.patterns
        base = common_folder(patterns)
        found: dict[str, SourceFile] = {}
        unfinished: list[str] = []
        for pattern in patterns:
            rest = split_pattern(pattern)[1]
            paths = await self._matching(pattern) if rest else [pattern]
            for path in paths:
                partition = posixpath.relpath(path, base)
                if matches_any(partition, self._selection.exclude):
                    continue
                if rest and matches_any(partition, self._selection.unfinished):
                    unfinished.append(partition)
                    continue
                file = SourceFile(
                    path, partition, from_pattern=bool(rest) or len(patterns) > 1, shown=self._shown(path)
                )
                try:
                    version = await self.look(file)
                except FileMissing:
                    if not file.from_pattern:
                        raise
                    continue
                found[path] = SourceFile(
                    path, partition, file.from_pattern, version=version, shown=file.shown
                )
        if not found:
            raise nothing_matches(", ".join(map(self._shown, patterns)), unfinished)
        return Found(sorted(found.values(), key=lambda file: file.partition), unfinished)

    async def look(self, file: SourceFile) -> Version:
        """By HEAD; by the headers of a GET where that is refused, as signed addresses do."""
        url = self._url(file.path)
        try:
            async with self._calls.open("HEAD", url) as response:
                return _Answer.of(response).version
        except Missing:
            raise missing_file(file.name) from None
        except Refused:
            pass
        try:
            async with self._calls.open("GET", url) as response:
                return _Answer.of(response).version
        except Missing:
            raise missing_file(file.name) from None

    async def fetch(self, file: SourceFile) -> Copy:
        kept = self._spool.find(file.path)
        return kept if kept is not None else await self._download(file)

    def forget(self, file: SourceFile) -> None:
        self._spool.forget(file.path)

    async def close(self) -> None:
        await self._calls.close()
        self._spool.close()

    async def _download(self, file: SourceFile) -> Copy:
        """Goes on behind the last byte where the server can; another version meanwhile is begun anew."""
        writing = self._spool.begin()
        answer: _Answer | None = None
        failures, furthest = 0, 0
        while True:
            try:
                answer = await self._read_on(file, writing, answer)
            except Missing:
                raise missing_file(file.name) from None
            except _BrokenOff as broken:
                error = broken.error
                # What brought nothing may be due to the place it began at: once more from the beginning.
                answer = broken.answer if writing.size > furthest else None
                failures = 1 if writing.size > furthest else failures + 1
                furthest = max(furthest, writing.size)
                if failures >= MOST_FAILURES:
                    raise error from None
                await asyncio.sleep(FIRST_WAIT * 2 ** (failures - 1))
            else:
                return self._spool.finish(file.path, writing, answer.version)

    async def _read_on(self, file: SourceFile, writing: Writing, before: _Answer | None) -> _Answer:
        headers: dict[str, str] = {}
        if before is not None and before.validator and writing.size:
            headers = {"Range": f"bytes={writing.size}-", "If-Range": before.validator}
        answer = before
        try:
            async with self._calls.open("GET", self._url(file.path), headers=headers) as response:
                goes_on = (
                    before is not None
                    and response.status_code == 206
                    and response.headers.get("content-range", "").startswith(f"bytes {writing.size}-")
                )
                if not goes_on:
                    _expect_whole(file, response)
                    writing.begin_anew()
                    answer = _Answer.of(response)
                await _write(response, writing)
        except Transient as error:
            if not error.retry_in_place or isinstance(error, Changed):
                raise
            raise _BrokenOff(answer, error) from None
        assert answer is not None  # noqa: S101 - of this answer or the one before
        size = answer.version.size
        if size is not None and writing.size != size:
            said = f"{writing.size:,} bytes of {size:,}"
            raise _BrokenOff(answer, Transient(f"{file.name} was cut short: {said}"))
        return answer

    async def _matching(self, pattern: str) -> Sequence[str]:
        return [path async for path in self._walk(pattern)]

    async def _walk(self, pattern: str) -> AsyncIterator[str]:
        """The files that index pages name, from the folder on that the pattern names in full."""
        fixed, rest = split_pattern(pattern)
        depth = None if "**" in rest else rest.count("/")
        waiting = [(fixed.rstrip("/") + "/", 0)]
        for seen, (folder, level) in enumerate(waiting):
            if seen >= _MOST_FOLDERS:
                raise Permanent(f"{self._shown(pattern)}: more than {_MOST_FOLDERS:,} folders; name some")
            for path in await self._index(folder):
                if path.endswith("/"):
                    if depth is None or level < depth:
                        waiting.append((path, level + 1))
                elif matches(path, pattern):
                    yield path

    async def _index(self, folder: str) -> Sequence[str]:
        """Paths right below a folder by its index page; none where there is no such folder."""
        for attempt in range(1, MOST_FAILURES):
            try:
                return links_of(await self._page(folder), folder)
            except Missing:
                return []
            except Transient as error:
                # What a request itself met was tried again; here the page broke off.
                if not error.retry_in_place:
                    raise
                await asyncio.sleep(FIRST_WAIT * 2 ** (attempt - 1))
        return links_of(await self._page(folder), folder)

    async def _page(self, folder: str) -> str:
        page = bytearray()
        async with self._calls.open("GET", self._url(folder)) as response:
            if "html" not in response.headers.get("content-type", ""):
                raise Permanent(
                    f"{self._shown(folder)} shows no index page, so no pattern can be matched; "
                    "list the files in `path`"
                )
            async for piece in response.aiter_bytes():
                page += piece
                if len(page) > _MOST_INDEX:
                    raise Permanent(f"{self._shown(folder)}: an index page of more than 16 MB")
        return page.decode("utf-8", "replace")

    def _url(self, path: str) -> str:
        return f"{self._root}{quote(path)}{self._query}"

    def _shown(self, path: str) -> str:
        return f"{self._root}{path}"


async def _write(response: httpx.Response, writing: Writing) -> None:
    """Whatever comes, also of a body that breaks off."""
    waiting = bytearray()
    try:
        async for piece in response.aiter_raw():
            waiting += piece
            if len(waiting) >= _WRITTEN_AT_ONCE:
                await asyncio.to_thread(writing.write, bytes(waiting))
                waiting.clear()
    finally:
        writing.write(bytes(waiting))


def _expect_whole(file: SourceFile, response: httpx.Response) -> None:
    if response.status_code == 206:
        raise Transient(f"{file.name}: the server sent another part than it was asked for")


class _BrokenOff(Exception):
    """A download that may go on, and what its answer said."""

    def __init__(self, answer: _Answer | None, error: Transient) -> None:
        super().__init__(str(error))
        self.answer = answer
        self.error = error
