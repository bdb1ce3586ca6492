"""The Singer connector: runs a tap, loads its records, keeps its STATE.

All streams are one lane, for a STATE covers every record before it. At least once: what came behind the last
STATE that is loaded comes again.
"""

from __future__ import annotations

import builtins
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel

from etl_core.connector import (
    SINGLE_PARTITION,
    ExtractContext,
    Finding,
    Fragment,
    Page,
    Record,
    Stream,
)
from etl_core.errors import BadRecord, SourceError, Transient
from etl_core.run_log import RunLog
from etl_core.stored_state import read_state
from etl_core.taps import find_tap
from workers.connectors.singer import catalog as catalogs
from workers.connectors.singer import checkpoint as stored
from workers.connectors.singer import tap as taps
from workers.connectors.singer.catalog import TapStream
from workers.connectors.singer.checkpoint import STREAM, unfinished
from workers.connectors.singer.config import SingerConfig
from workers.connectors.singer.reading import Reading
from workers.connectors.singer.tap_settings import TapSettings
from workers.connectors.singer.versions import Versions, shown_version
from workers.subprocesses.program import Program
from workers.subprocesses.run_folder import make_run_folder, write_private

_STREAMS_TOLD = 40


class SingerConnector:
    """Any Singer tap (`etl-tui connectors install`), run as a program of its own."""

    type: ClassVar[str] = "singer"
    default_max_runs: ClassVar[int | None] = 1
    Config: ClassVar[builtins.type[BaseModel]] = SingerConfig
    Bookmark: ClassVar[builtins.type[BaseModel]] = stored.Bookmark
    Resume: ClassVar[builtins.type[BaseModel]] = stored.Resume

    @classmethod
    def checkpoint_models(
        cls, stream: str, partition: str
    ) -> tuple[builtins.type[BaseModel], builtins.type[BaseModel]]:
        if stream == STREAM:
            return stored.Bookmark, stored.Resume
        return stored.VersionBookmark, stored.VersionResume

    def __init__(self, config: SingerConfig) -> None:
        self.config = config
        self._catalog: dict[str, Any] = {}
        self._streams: dict[str, Stream] = {}
        self._tap_streams: dict[str, TapStream] = {}
        self._settings: TapSettings | None = None

    async def check(self) -> Sequence[Finding]:
        """Runs the tap's discovery: the streams, their keys and how each is read."""
        await self.discover(ExtractContext())
        installed = find_tap(self.config.tap)
        about = f"{installed.version}, licence {installed.licence}" if installed else "allowed here"
        found = [Finding(self.config.tap, "ok", about)]
        streams = list(self._tap_streams.values())
        for stream in streams[:_STREAMS_TOLD]:
            key = ", ".join(stream.key) or "none (append only)"
            chosen = "" if stream.is_selected else "not selected; "
            found.append(Finding(stream.name, "ok", f"{chosen}key {key}; {stream.replication}"))
        if len(streams) > _STREAMS_TOLD:
            found.append(Finding("streams", "ok", f"and {len(streams) - _STREAMS_TOLD} more"))
        if not any(stream.is_selected for stream in streams):
            found.append(Finding("selection", "missing", "no stream is selected", "change `select`"))
        return found

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        """Asks the tap, unless the configuration has a whole catalog."""
        bookmark = self._bookmark(context)
        program = taps.find_program(self.config.tap)
        self._settings = TapSettings(self.config.settings, bookmark.settings if bookmark else None)
        catalog = self.config.catalog
        if catalog is None:
            catalog = await self._discovered(program, context.log)
        self._catalog = catalogs.select(catalog, self.config)
        self._tap_streams = {each.name: each for each in catalogs.streams_of(self._catalog, self.config)}
        self._streams = {
            name: stream.to_stream(full_refresh=bool(stream.key) and shown_version(context, name) is not None)
            for name, stream in self._tap_streams.items()
            if stream.is_selected
        }
        return list(self._streams.values())

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        """Pages of what the tap sends; each that holds a STATE has it as its checkpoint.

        Raises at the end, behind a last page, if the tap did not end well or not with all of its streams.
        """
        before = self._bookmark(context)
        program = taps.find_program(self.config.tap)
        settings = self._settings or TapSettings(self.config.settings, before.settings if before else None)
        folder = make_run_folder()
        file = folder / "config.json"
        arguments = self._write_files(folder, file, settings, before)
        reading = Reading(
            self._streams,
            {name for name, stream in self._tap_streams.items() if not stream.is_selected},
            Versions.of(context, self._streams),
            context.log,
            state=before.state if before else None,
            keys_are_given={name for name, given in self.config.streams.items() if given.key is not None},
        )
        began = time.monotonic()
        context.log.write(f"runs {self.config.tap}")
        async with taps.start(program, self.config, folder, arguments, context.log.write) as tap:
            async for lines in tap.lines():
                for page in reading.pages(lines, lambda: self._kept(settings, file, context.log)):
                    yield page
            error = await self._why_failed(tap, reading)
            took = f"after {time.monotonic() - began:.1f} s"
            context.log.write(f"failed {took}" if error else f"done {took}", "error" if error else "info")
            kept = self._kept(settings, file, context.log)
        for page in self._last_pages(reading, before, kept, ended_well=error is None):
            yield page
        if error is not None:
            raise error

    def transform(self, stream: Stream, record: Record) -> Record:
        """Records are rows already."""
        if "" in record:
            raise BadRecord("a field has no name")
        return record

    def _bookmark(self, context: ExtractContext) -> stored.Bookmark | None:
        return read_state(context, STREAM, SINGLE_PARTITION, stored.Bookmark, stored.Resume)[0]

    async def _discovered(self, program: Path, log: RunLog) -> dict[str, Any]:
        assert self._settings is not None  # noqa: S101 - made by `discover`
        folder = make_run_folder()
        file = folder / "config.json"
        self._settings.write(file)
        said: list[str] = []
        try:
            return await taps.discover(program, self.config, folder, file, said.append)
        except SourceError:
            for line in said:
                log.write(line)
            raise

    def _write_files(
        self, folder: Path, file: Path, settings: TapSettings, before: stored.Bookmark | None
    ) -> list[str]:
        """The tap's arguments: names of files alone, for everybody can read arguments."""
        settings.write(file)
        catalog = folder / "catalog.json"
        write_private(catalog, json.dumps(self._catalog).encode())
        arguments = ["--config", str(file), "--catalog", str(catalog)]
        if before is not None and before.state is not None:
            state = folder / "state.json"
            write_private(state, json.dumps(before.state).encode())
            arguments += ["--state", str(state)]
        return arguments

    @staticmethod
    def _kept(settings: TapSettings, file: Path, log: RunLog) -> str | None:
        settings.read_back(file, log)
        return settings.kept

    async def _why_failed(self, tap: Program, reading: Reading) -> SourceError | None:
        if (error := await taps.why_failed(tap)) is not None:
            return error
        if left := unfinished(reading.state, reading.streams_seen):
            return Transient(
                f"{self.config.tap} ended before it had read all of {', '.join(left)}, as its STATE says",
                retry_in_place=False,
            )
        return None

    @staticmethod
    def _last_pages(
        reading: Reading, before: stored.Bookmark | None, kept: str | None, *, ended_well: bool
    ) -> Iterator[Page]:
        page = reading.last_page(kept, ended_well=ended_well)
        has_bookmark = page is not None and any(f.stream == STREAM for f in page.checkpoint)
        if page is not None:
            yield page
        if not has_bookmark and kept is not None and kept != (before.settings if before else None):
            bookmark = stored.Bookmark(state=reading.loaded_state, settings=kept).model_dump()
            yield Page(
                lane=reading.lane, records={}, checkpoint=[Fragment(STREAM, SINGLE_PARTITION, bookmark)]
            )
