"""The rest connector: reads any API that a manifest describes."""

from __future__ import annotations

import builtins
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import structlog
from pydantic import BaseModel

from etl_core.backfill import RangeKind
from etl_core.connector import SINGLE_PARTITION, TRIAL_OPTION, ExtractContext, Finding, Page, Record, Stream
from etl_core.errors import Permanent, SourceError
from etl_core.stored_state import read_state
from workers.connectors.rest.api import Api, Skipped
from workers.connectors.rest.checkpoint import Bookmark, Resume
from workers.connectors.rest.config import RestConfig, misfit
from workers.connectors.rest.manifest import Manifest, ManifestError, read_manifest
from workers.connectors.rest.nested import NestedRecords
from workers.connectors.rest.partitions import Family
from workers.connectors.rest.rounds import StreamRun, is_divided
from workers.connectors.rest.rows import RowMaker, stream_of
from workers.connectors.rest.shipped import is_shipped, shipped_manifest
from workers.connectors.rest.walk import Walk
from workers.http import Forbidden
from workers.http.read_ahead import reading_ahead

log = structlog.get_logger()


class RestConnector:
    """Any REST API that a manifest describes: Entra ID, Fabric, GitLab, PagerDuty, Sentry, your own."""

    type: ClassVar[str] = "rest"
    default_max_runs: ClassVar[int | None] = 1
    Config: ClassVar[builtins.type[BaseModel]] = RestConfig
    Bookmark: ClassVar[builtins.type[BaseModel]] = Bookmark
    Resume: ClassVar[builtins.type[BaseModel]] = Resume

    def __init__(self, config: RestConfig) -> None:
        """Raises Permanent: the manifest cannot be read, or the configuration does not fit it."""
        self.config = config
        self.manifest = load_manifest(config.manifest)
        if problem := misfit(config, self.manifest):
            raise Permanent(f"config of manifest {config.manifest}: {problem}")
        self._names = _in_order(self.manifest, config.streams)
        self._makers = {name: RowMaker(spec) for name, spec in self.manifest.streams.items()}
        self._api = Api(self.manifest, config)
        self._prepared: dict[str, Walk] = {}
        self._refreshed: frozenset[str] = frozenset()

    async def check(self) -> Sequence[Finding]:
        """Asks each stream that needs no parent for its first page.

        Raises:
            SourceError: of the first request, if not one of them succeeds.
        """
        found: list[Finding] = []
        failures: list[SourceError] = []
        async with self._api.open(ExtractContext()):
            if self.manifest.check is not None:
                await self._api.look(self.manifest.check.path, self.manifest.check.params)
                found.append(Finding("credential", "ok", f"{self.manifest.title} answers"))
            for name in self._names:
                spec = self.manifest.streams[name]
                if is_divided(spec) or spec.within is not None:
                    continue
                try:
                    found.append(await self._look_at(name))
                except Forbidden as error:
                    told = f"{error.status}: {error.excerpt or 'refused'}"
                    found.append(Finding(name, "missing", told, self._need()))
                except SourceError as error:
                    failures.append(error)
                    found.append(Finding(name, "failed", _line(error)))
        if failures and not any(finding.state in ("ok", "missing") for finding in found):
            raise failures[0]
        return found

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        """The manifest's streams; a delta link is tried, for one that has expired makes a full refresh."""
        refreshed = {name for name in self._names if self.manifest.streams[name].full_refresh}
        self._prepared.clear()
        deltas = [name for name in self._names if self._is_delta(name) and context.wants(name)]
        if deltas:
            async with self._api.open(context):
                for name in deltas:
                    if await self._reads_everything(name, context):
                        refreshed.add(name)
        self._refreshed = frozenset(refreshed)
        return [stream_of(name, self.manifest, full_refresh=name in refreshed) for name in self._names]

    def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        return reading_ahead(context, self._pages(context))

    async def _pages(self, context: ExtractContext) -> AsyncGenerator[Page]:
        """Stream by stream, parents before their children.

        A stream that cannot be read does not stop the others, but for a refused credential or a rate limit.
        """
        trial = Trial.of(context)
        async with self._api.open(context):
            family = Family(self._api, self._makers, is_trial=trial is not None)
            nested = NestedRecords(self.manifest, self._api.scope, self._names)
            for name in self._names if trial is None else self._tried(trial):
                spec = self.manifest.streams[name]
                if spec.within is not None or (context.backfill and not context.wants(name)):
                    continue
                run = StreamRun(
                    self._api,
                    family,
                    nested,
                    self._makers,
                    context,
                    name,
                    spec,
                    page_records=None if trial is None else 1,  # a page for each answer
                    refreshes=name in self._refreshed,
                    prepared=self._take_prepared(name, context),
                )
                async with aclosing(run.pages()) as pages:
                    async for page in pages:
                        yield page

    def backfill_ranges(self) -> Mapping[str, RangeKind]:
        """Streams with a cursor field; lists within their records come along."""
        specs = {name: self.manifest.streams[name] for name in self._names}
        return {
            name: "time" if spec.incremental.kind == "time" else "key"
            for name, spec in specs.items()
            if spec.incremental is not None and spec.within is None and not self._is_delta(name)
        }

    def transform(self, stream: Stream, record: Record) -> Record:
        return self._makers[stream.name].row(record)

    def _tried(self, trial: Trial) -> Sequence[str]:
        """The streams that have to be read to see one."""
        spec = self.manifest.streams.get(trial.stream or "")
        if spec is None:
            return self._names
        return [spec.within.stream if spec.within else trial.stream or ""]

    def _is_delta(self, name: str) -> bool:
        spec = self.manifest.streams[name]
        return (
            spec.within is None
            and not is_divided(spec)
            and self.manifest.pagination_of(spec).type == "odata_delta"
            and bool(spec.key)
        )

    async def _reads_everything(self, name: str, context: ExtractContext) -> bool:
        """Whether this run's walk of a stream with delta links is a whole one."""
        bookmark, resume = read_state(context, name, SINGLE_PARTITION, Bookmark, Resume)
        walk = Walk(self._api, name, self.manifest.streams[name], self._api.scope, bookmark, resume)
        if bookmark is None and resume is None:
            return True
        try:
            await walk.probe()
        except SourceError as error:  # extract meets it again, and tells it
            log.info("a delta link could not be tried", stream=name, error=str(error))
        else:
            self._prepared[name] = walk
        return walk.is_full

    def _take_prepared(self, name: str, context: ExtractContext) -> Walk | None:
        """The walk that `discover` began, if it is still where the checkpoint says."""
        walk = self._prepared.pop(name, None)
        if walk is None:
            return None
        state = read_state(context, name, SINGLE_PARTITION, Bookmark, Resume)
        return walk if state == (walk.bookmark, walk.resume) else None

    def _need(self) -> str:
        """What the manifest's notes begin with: which credential, with which permissions."""
        needed, _, _ = self.manifest.notes.partition(". ")
        return f"it takes: {needed.rstrip('.')}" if needed else "give the credential this permission"

    async def _look_at(self, name: str) -> Finding:
        spec = self.manifest.streams[name]
        walk = Walk(self._api, name, spec, self._api.scope)
        try:
            async with aclosing(walk.steps()) as steps:
                step = await anext(steps)
        except Skipped as skipped:
            return Finding(name, "missing", _line(skipped))
        return Finding(name, "ok", f"{len(step.records)} records on the first page")


@dataclass(frozen=True, slots=True)
class Trial:
    """A run that only looks at the beginning of a source."""

    records: int
    stream: str | None = None

    @classmethod
    def of(cls, context: ExtractContext) -> Trial | None:
        asked = context.options.get(TRIAL_OPTION)
        return cls(**asked) if isinstance(asked, dict) else None


def load_manifest(name: str) -> Manifest:
    """A shipped manifest, or the one in a file.

    Raises:
        Permanent: there is no such file, or it is no manifest; with line and column.
    """
    try:
        if is_shipped(name):
            return shipped_manifest(name)
        return read_manifest(Path(name).read_text(encoding="utf-8-sig"), name)
    except ManifestError as error:
        raise Permanent(str(error)) from None
    except UnicodeDecodeError:
        raise Permanent(f"{name}: no text in UTF-8") from None
    except OSError as error:
        raise Permanent(f"{name}: the worker cannot read this manifest ({error.strerror})") from None


def _in_order(manifest: Manifest, wanted: Sequence[str]) -> list[str]:
    """The streams to read, parents before children, else as the manifest has them."""
    found: list[str] = []

    def add(name: str) -> None:
        spec = manifest.streams[name]
        if spec.parent is not None and spec.parent.stream in selected:
            add(spec.parent.stream)
        if name not in found:
            found.append(name)

    selected = set(wanted) or set(manifest.streams)
    for name in wanted:  # what is within another comes with it
        if (within := manifest.streams[name].within) is not None:
            selected.add(within.stream)
    for name in manifest.streams:
        if name in selected:
            add(name)
    return found


def _line(error: SourceError) -> str:
    return " ".join(str(error).split())
