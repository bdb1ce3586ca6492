"""The files connector: a stream of all files that a path means, a partition for each of them.

A file that fails is told at the end of the run, after the good ones were read. All files share one lane, for
a key may stand in several of them: the later file, by name, wins.
"""

from __future__ import annotations

import asyncio
import builtins
import copy
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, ClassVar

from pydantic import BaseModel

from etl_core.connector import (
    Column,
    ColumnType,
    ExtractContext,
    Finding,
    Fragment,
    Page,
    Record,
    Reject,
    Stream,
)
from etl_core.errors import BadRecord, SourceError, Transient
from etl_core.stored_state import read_state
from workers.connectors.files import checkpoint as stored
from workers.connectors.files.config import FilesConfig, Format
from workers.connectors.files.locate import FileMissing, SourceFile, locate, printable
from workers.connectors.files.pages import FilePage, FilePages
from workers.connectors.files.plan import FilePlan, looks_unchanged
from workers.connectors.files.reading import FileStat, reading_errors
from workers.connectors.files.scan import ChangedWhileReading, Scan, scan_file
from workers.connectors.files.threads import in_thread
from workers.connectors.files.types import join_types
from workers.connectors.files.values import Converter, converter

_ATTEMPTS = 3
"""How often a file that is written to meanwhile is begun anew within a run."""
_FAILURES_TOLD = 5
"""By `check`, of the files before the first that can be read."""


class FilesConnector:
    """CSV, TSV and JSON lines, plain or gzip: a file, or all that a pattern matches."""

    type: ClassVar[str] = "files"
    default_max_runs: ClassVar[int | None] = None
    Config: ClassVar[builtins.type[BaseModel]] = FilesConfig
    Bookmark: ClassVar[builtins.type[BaseModel]] = stored.Bookmark
    Resume: ClassVar[builtins.type[BaseModel]] = stored.Resume

    def __init__(self, config: FilesConfig) -> None:
        self.config = config
        self._stream_name = config.stream_name
        self._read_as = config.read_as()
        self._is_json = config.record_format is Format.JSONL
        self._mixed = ColumnType.JSONB if self._is_json else ColumnType.TEXT
        self._nulls = frozenset[str]() if self._is_json else config.nulls
        self._plans: list[FilePlan] = []
        self._columns: dict[str, ColumnType] = {}
        self._converting: tuple[Stream, dict[str, Converter]] | None = None

    async def check(self) -> Sequence[Finding]:
        """Reads files until one can be read, so that a wrong key or encoding is told before the first run.

        Raises:
            SourceError: of the first file, if not one of them can be read.
        """
        stop = threading.Event()
        files = await in_thread(stop, locate, self.config.path)
        found = [Finding("files", "ok", f"{len(files):,} at {printable(self.config.path)}")]
        failures: list[SourceError] = []
        for file in files:
            try:
                scan = await self._scan(file, stop)
            except SourceError as error:
                failures.append(error)
                if len(failures) <= _FAILURES_TOLD:
                    found.append(Finding(file.partition, "failed", str(error)))
                continue
            told = f"{scan.records:,} records of {len(scan.columns)} columns, key {_key(self.config.key)}"
            found.append(Finding(file.partition, "ok", told))
            return found
        raise failures[0]

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        """The stream, its types inferred over all files; changed ones are read for it from end to end.

        Raises:
            SourceError: of the first file, if not one of them can be read.
        """
        stop = threading.Event()
        files = await in_thread(stop, locate, self.config.path)
        self._plans = [plan for file in files if (plan := await self._plan(context, file, stop))]
        failures = [plan.failure for plan in self._plans if plan.failure]
        if len(failures) == len(self._plans):
            raise (
                failures[0]
                if failures
                else Transient(
                    f"all files of {self.config.path} vanished while they were looked at",
                    retry_in_place=False,
                )
            )
        joined: dict[str, ColumnType | None] = {}
        for plan in self._plans:
            for name, kind in plan.columns().items():
                joined[name] = join_types(joined.get(name), kind, mixed=self._mixed)
        self._columns = {name: kind or ColumnType.TEXT for name, kind in joined.items()}
        columns = tuple(Column(name, kind) for name, kind in self._columns.items())
        return [Stream(self._stream_name, columns, self.config.key)]

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        """Pages of what is new or changed. Raises at the end if a file could not be read.

        May be called again, with the checkpoint as it is then: a run that broke off is tried again in place.
        """
        for plan in self._plans:
            plan.bookmark, plan.resume = self._state(context, plan.file)
            plan.failure = None if plan.scan else plan.failure
        touched = [plan for plan in self._plans if plan.is_touched(self._read_as)]
        to_read = [plan for plan in self._plans if plan.scan and not plan.is_known(self._read_as)]
        total = sum(self._expected(plan) for plan in to_read)
        if touched:
            yield self._page(FilePage(), [self._finished(plan) for plan in touched], total)
        for plan in to_read:
            try:
                async with aclosing(self._read(plan, total)) as pages:
                    async for page in pages:
                        yield page
            except SourceError as error:
                vanished = plan.file.from_pattern and isinstance(error, FileMissing)
                plan.failure = None if vanished else error
        if failures := [plan.failure for plan in self._plans if plan.failure]:
            raise _in_one_sentence(failures)

    def transform(self, stream: Stream, record: Record) -> Record:
        """A row of JSON values (see `values`); an empty field of delimited text is null."""
        if self._is_json:
            return record  # it holds JSON values already
        if self._converting is None or self._converting[0] is not stream:
            made = {column.name: converter(column.type) for column in stream.columns}
            self._converting = (stream, made)
        converters = self._converting[1]
        nulls = self._nulls
        row: dict[str, Any] = {}
        for name, value in record.items():
            if value is None or (nulls and value in nulls):
                row[name] = None
                continue
            try:
                row[name] = converters[name](value)
            except KeyError:
                raise BadRecord(f"field {name!r} is no column of stream {stream.name}") from None
            except ValueError:
                raise BadRecord(self._does_not_fit(stream, name, value)) from None
        return row

    @staticmethod
    def _does_not_fit(stream: Stream, name: str, value: object) -> str:
        kind = next(column.type for column in stream.columns if column.name == name)
        shown = repr(value)
        return f"column {name!r}: {shown if len(shown) <= 80 else shown[:80] + '…'} is no {kind}"

    async def _plan(
        self, context: ExtractContext, file: SourceFile, stop: threading.Event
    ) -> FilePlan | None:
        """What to do with one file; None if a file of a pattern has vanished meanwhile."""
        bookmark, resume = self._state(context, file)
        plan = FilePlan(file, bookmark, resume)
        try:
            with reading_errors(file.path, self.config.encoding):
                found = await in_thread(stop, FileStat.of, file.path)
            plan.unchanged = looks_unchanged(found, bookmark, resume, self._read_as)
            if not plan.unchanged:
                plan.scan = await self._scan(file, stop)
        except SourceError as error:
            if file.from_pattern and isinstance(error, FileMissing):
                return None
            plan.failure = error
        return plan

    async def _scan(self, file: SourceFile, stop: threading.Event) -> Scan:
        for _ in range(_ATTEMPTS):
            try:
                return await in_thread(stop, scan_file, file, self.config, stop)
            except ChangedWhileReading:
                await asyncio.sleep(0.1)
        raise _keeps_changing(file)

    async def _read(self, plan: FilePlan, total: int) -> AsyncGenerator[Page]:
        """The pages of one file, from its beginning again whenever it is written to meanwhile."""
        stop = threading.Event()
        resume = plan.resume
        for _ in range(_ATTEMPTS):
            assert plan.scan is not None  # noqa: S101 - only scanned files are read
            try:
                pages = await in_thread(stop, FilePages, plan.file, self.config, plan.scan, resume, stop)
                try:
                    while (page := await in_thread(stop, pages.next_page)).resume:
                        yield self._page(page, [self._in_mid_walk(plan, page)], total)
                    yield self._page(page, [self._finished(plan)], total)
                finally:
                    # In a thread too: closing waits for a read that hangs, and nothing here may.
                    asyncio.get_running_loop().run_in_executor(None, pages.close)
            except ChangedWhileReading:
                resume = None
                plan.scan = await self._scan(plan.file, stop)
                self._expect_known_columns(plan)
            else:
                return
        raise _keeps_changing(plan.file)

    def _expect_known_columns(self, plan: FilePlan) -> None:
        """Rows are typed by the columns this run began with; a file that outgrew them waits for the next."""
        for name, kind in plan.columns().items():
            known = self._columns.get(name)
            if known is None or join_types(known, kind, mixed=self._mixed) is not known:
                raise Transient(
                    f"{plan.file.name} was changed while it was read: its column {name!r} no longer fits; "
                    "the next attempt reads it afresh",
                    retry_in_place=False,
                )

    def _expected(self, plan: FilePlan) -> int:
        assert plan.scan is not None  # noqa: S101 - only scanned files are read
        resume = plan.resume
        goes_on = resume and (resume.fingerprint, resume.read_as) == (plan.scan.fingerprint, self._read_as)
        return plan.scan.records - (resume.records if resume and goes_on else 0)

    def _in_mid_walk(self, plan: FilePlan, page: FilePage) -> Fragment:
        return Fragment(
            self._stream_name,
            plan.file.partition,
            bookmark=plan.bookmark.model_dump(mode="json") if plan.bookmark else None,
            resume=page.resume.model_dump(mode="json") if page.resume else None,
        )

    def _finished(self, plan: FilePlan) -> Fragment:
        assert plan.scan is not None  # noqa: S101 - only scanned files are read
        bookmark = plan.scan.bookmark(self._read_as).model_dump(mode="json")
        return Fragment(self._stream_name, plan.file.partition, bookmark=bookmark)

    def _state(
        self, context: ExtractContext, file: SourceFile
    ) -> tuple[stored.Bookmark | None, stored.Resume | None]:
        return read_state(context, self._stream_name, file.partition, stored.Bookmark, stored.Resume)

    def _page(self, page: FilePage, checkpoint: list[Fragment], total: int) -> Page:
        return Page(
            lane=self._stream_name,
            records={self._stream_name: page.records} if page.records else {},
            checkpoint=checkpoint,
            total=total,
            rejects=[Reject(self._stream_name, bad.reason, bad.payload) for bad in page.rejects],
        )


def _in_one_sentence(failures: list[SourceError]) -> SourceError:
    """The first failure, with the number of the others."""
    told = copy.copy(failures[0])
    if others := len(failures) - 1:
        told.args = (f"{told} (and {others} more {'file' if others == 1 else 'files'} failed)",)
    return told


def _keeps_changing(file: SourceFile) -> Transient:
    return Transient(
        f"{file.name} keeps changing while it is read; it is tried again later", retry_in_place=False
    )


def _key(columns: Sequence[str]) -> str:
    return ", ".join(columns) or "none (append only)"
