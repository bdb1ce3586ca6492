"""The files connector: a stream of all files that its paths mean, a partition for each of them.

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
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel

from etl_core.connector import (
    Column,
    ColumnType,
    ExtractContext,
    Finding,
    Fragment,
    Page,
    Parent,
    Record,
    Reject,
    Stream,
)
from etl_core.errors import BadRecord, SourceError, Transient
from workers.connectors.files import checkpoint as stored
from workers.connectors.files.census import census_name, census_pages, census_stream, forget_gone
from workers.connectors.files.checking import check_files
from workers.connectors.files.config import DELIMITED, FilesConfig
from workers.connectors.files.formats.joining import join_of, joined
from workers.connectors.files.formats.values import Converter, converter
from workers.connectors.files.ledger import LEDGER, RECENT
from workers.connectors.files.pages import FilePage, FilePages
from workers.connectors.files.places.connecting import place_of
from workers.connectors.files.places.files import Changed, FileMissing, SourceFile
from workers.connectors.files.plan import FilePlan, next_lot
from workers.connectors.files.scan import Scan, scan_file
from workers.connectors.files.survey import Survey, plan_files, survey
from workers.connectors.files.threads import in_thread

_ATTEMPTS = 3
"""How often a file that is written to meanwhile is begun anew within a run."""


class FilesConnector:
    """Delimited text, JSON, Parquet and Excel, packed or not, on disks, in object stores and on the web."""

    type: ClassVar[str] = "files"
    default_max_runs: ClassVar[int | None] = None
    Config: ClassVar[builtins.type[BaseModel]] = FilesConfig
    Bookmark: ClassVar[builtins.type[BaseModel]] = stored.Bookmark
    Resume: ClassVar[builtins.type[BaseModel]] = stored.Resume

    @classmethod
    def checkpoint_models(
        cls, stream: str, partition: str
    ) -> tuple[builtins.type[BaseModel], builtins.type[BaseModel]]:
        many = partition in (LEDGER, RECENT)
        return stored.LedgerBookmark if many else stored.FileBookmark, stored.Resume

    def __init__(self, config: FilesConfig) -> None:
        self.config = config
        self._stream_name = config.stream_name
        self._read_as = config.read_as()
        self._is_delimited = config.record_format in DELIMITED
        self._join = join_of(config.record_format)
        self._nulls = config.nulls if self._is_delimited else frozenset[str]()
        self._place = place_of(config.address, config.selection, config.options)
        self._found: Survey | None = None
        self._columns: dict[str, ColumnType] = {}
        self._converting: tuple[Stream, dict[str, Converter]] | None = None

    async def check(self) -> Sequence[Finding]:
        """What is found, what can be read, which library is missing."""
        try:
            return await check_files(self._place, self.config, self._scan)
        finally:
            await self._place.close()

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        """The stream, its types inferred over all files; changed ones are read for it from end to end.

        Raises:
            SourceError: of the first file, if not one of them can be read.
        """
        stop = threading.Event()
        found = self._found = await survey(self._place, self.config, context, self._stream_name)
        if told := found.left.told():
            context.log.write(told)
        await self._look_through(next_lot(found.plans), stop)
        failures = [plan.failure for plan in found.plans if plan.failure]
        if not any(plan.unchanged or plan.scan for plan in found.plans):
            raise (
                failures[0]
                if failures
                else Transient(
                    f"all files of {self.config.shown} vanished while they were looked at",
                    retry_in_place=False,
                )
            )
        columns = dict(found.ledger.columns)
        for plan in found.plans:
            columns = joined(columns, plan.columns(), self._join)
        if (name := self.config.file_names) is not None:
            columns[name] = ColumnType.TEXT
        self._columns = {name: kind or ColumnType.TEXT for name, kind in columns.items()}
        return self._streams()

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        """Pages of what is new or changed. Raises at the end if a file could not be read.

        May be called again, with the checkpoint as it is then: a run that broke off is tried again in place.
        """
        found = self._found
        assert found is not None  # noqa: S101 - the protocol: `discover` was called
        self._take_up(context, found)
        try:
            lot = [plan for plan in found.plans if plan.scan]
            while lot:
                async with aclosing(self._read_lot(found, lot)) as pages:
                    async for page in pages:
                        yield page
                lot = await self._next_lot(found)
            if self.config.vanished == "delete":
                forgotten = forget_gone(context, self._stream_name, found.files, found.ledger)
                for page in census_pages(found.files, self._stream_name, forgotten):
                    yield page
        finally:
            await self._place.close()
        if failures := [plan.failure for plan in found.plans if plan.failure]:
            raise _in_one_sentence(failures)

    def transform(self, stream: Stream, record: Record) -> Record:
        """A row of JSON values (see `formats.values`); an empty field of delimited text is null."""
        if not self._is_delimited or stream.name != self._stream_name:
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

    def _streams(self) -> list[Stream]:
        columns = tuple(Column(name, kind) for name, kind in self._columns.items())
        name = self.config.file_names
        if self.config.vanished == "keep" or name is None:
            return [Stream(self._stream_name, columns, self.config.key)]
        parent = Parent(census_name(self._stream_name), name)
        return [
            Stream(self._stream_name, columns, self.config.key, parent=parent),
            census_stream(self._stream_name),
        ]

    def _take_up(self, context: ExtractContext, found: Survey) -> None:
        """Where each file stands by the checkpoint as it is now."""
        by_partition = {plan.file.partition: plan for plan in found.plans}
        files = [plan.file for plan in found.plans]
        fresh, found.ledger = plan_files(files, self.config, context, self._stream_name)
        for now in fresh:
            plan = by_partition[now.file.partition]
            plan.bookmark, plan.resume, plan.ledger = now.bookmark, now.resume, now.ledger
            if plan.scan is not None or plan.unchanged:
                plan.failure = None

    async def _next_lot(self, found: Survey) -> list[FilePlan]:
        """The next files, looked through. Their columns must be those that the run began with."""
        lot = next_lot(found.plans)
        if lot:
            await self._place.close()  # what the last lot downloaded
            await self._look_through(lot, threading.Event())
        for plan in lot:
            self._expect_known_columns(plan, "came late among very many files")
        return lot

    async def _look_through(self, lot: Sequence[FilePlan], stop: threading.Event) -> None:
        """Reads them once. One of a pattern that has vanished meanwhile is done with."""
        for plan in lot:
            try:
                plan.scan = await self._scan(plan.file, stop)
            except SourceError as error:
                if plan.file.from_pattern and isinstance(error, FileMissing):
                    plan.done = True
                else:
                    plan.failure = error

    async def _scan(self, file: SourceFile, stop: threading.Event) -> Scan:
        for _ in range(_ATTEMPTS):
            try:
                source = await self._place.fetch(file)
                return await in_thread(stop, scan_file, file, source, self.config, stop)
            except Changed:
                self._place.forget(file)
                await asyncio.sleep(0.1)
        raise _keeps_changing(file)

    async def _read_lot(self, found: Survey, lot: Sequence[FilePlan]) -> AsyncGenerator[Page]:
        touched = [plan for plan in lot if plan.is_touched(self._read_as)]
        to_read = [plan for plan in lot if plan.scan and not plan.is_known(self._read_as)]
        more = any(plan.waits for plan in found.plans)
        total = None if more else sum(self._expected(plan) for plan in to_read)
        if touched:
            yield self._page(FilePage(), self._finished(found, *touched), total)
        for plan in to_read:
            try:
                async with aclosing(self._read(found, plan, total)) as pages:
                    async for page in pages:
                        yield page
            except SourceError as error:
                vanished = plan.file.from_pattern and isinstance(error, FileMissing)
                plan.failure = None if vanished else error

    async def _read(self, found: Survey, plan: FilePlan, total: int | None) -> AsyncGenerator[Page]:
        """The pages of one file, from its beginning again whenever it is written to meanwhile."""
        stop = threading.Event()
        resume = plan.resume
        for _ in range(_ATTEMPTS):
            assert plan.scan is not None  # noqa: S101 - only scanned files are read
            try:
                source = await self._place.fetch(plan.file)
                pages = await in_thread(
                    stop,
                    partial(FilePages, resume=resume, stop=stop),
                    plan.file,
                    source,
                    self.config,
                    plan.scan,
                )
                try:
                    while (page := await in_thread(stop, pages.next_page)).resume:
                        yield self._page(page, [self._in_mid_walk(found, plan, page)], total)
                    yield self._page(page, self._finished(found, plan), total)
                finally:
                    # In a thread too: closing waits for a read that hangs, and nothing here may.
                    asyncio.get_running_loop().run_in_executor(None, pages.close)
            except Changed:
                resume = None
                self._place.forget(plan.file)
                plan.scan = await self._scan(plan.file, stop)
                self._expect_known_columns(plan)
            else:
                return
        raise _keeps_changing(plan.file)

    def _expect_known_columns(self, plan: FilePlan, why: str = "was changed while it was read") -> None:
        """Rows are typed by the columns this run began with; a file that outgrew them waits for the next."""
        for name, kind in plan.columns().items():
            known = self._columns.get(name)
            if known is None or (kind is not None and self._join(known, kind) is not known):
                raise Transient(
                    f"{plan.file.name} {why}: its column {name!r} no longer fits; "
                    "the next attempt reads it afresh",
                    retry_in_place=False,
                )

    def _expected(self, plan: FilePlan) -> int:
        assert plan.scan is not None  # noqa: S101 - only scanned files are read
        resume = plan.resume
        goes_on = resume and (resume.fingerprint, resume.read_as) == (plan.scan.fingerprint, self._read_as)
        return plan.scan.records - (resume.records if resume and goes_on else 0)

    def _in_mid_walk(self, found: Survey, plan: FilePlan, page: FilePage) -> Fragment:
        resume = page.resume
        if plan.ledger is not None and resume is not None:
            resume = resume.model_copy(update={"file": plan.file.partition})
        own = plan.bookmark.model_dump(mode="json") if plan.bookmark else None
        return Fragment(
            self._stream_name,
            plan.file.partition if plan.ledger is None else RECENT,
            bookmark=own if plan.ledger is None else found.ledger.stored_recent,
            resume=resume.model_dump(mode="json") if resume else None,
        )

    def _finished(self, found: Survey, *plans: FilePlan) -> list[Fragment]:
        """Where these files stand once they are read."""
        fragments = []
        in_ledger = False
        for plan in plans:
            assert plan.scan is not None  # noqa: S101 - only scanned files are read
            if plan.ledger is not None:
                found.ledger.add(plan.file, plan.scan)
                in_ledger = True
            else:
                bookmark = plan.scan.bookmark(self._read_as).model_dump(mode="json")
                fragments.append(Fragment(self._stream_name, plan.file.partition, bookmark=bookmark))
        if in_ledger:
            ledger = found.ledger
            fragments += ledger.fragments(self._stream_name, found.files, pour=ledger.is_full)
        return fragments

    def _page(self, page: FilePage, checkpoint: list[Fragment], total: int | None) -> Page:
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
