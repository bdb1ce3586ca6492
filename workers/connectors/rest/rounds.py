"""How one stream is walked in a run: alone, or partition by partition in a round.

A round goes through the partitions in the order of their names, so that one broken off goes on behind the
last that is done. What is incremental keeps a bookmark for each partition; else the round alone is kept, and
a full refresh is whole when the round went through all of them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import structlog

from etl_core.connector import SINGLE_PARTITION, ExtractContext, Fragment, JsonObject, Page, Record
from etl_core.errors import Permanent, RateLimited, SourceError, Transient, Unauthorised
from etl_core.stored_state import read_state
from workers.connectors.rest.api import Api, Skipped
from workers.connectors.rest.checkpoint import ROUND, Bookmark, Resume, stored
from workers.connectors.rest.cursors import Mark, read_mark
from workers.connectors.rest.gathering import Gatherer
from workers.connectors.rest.manifest.stream import StreamSpec
from workers.connectors.rest.nested import NestedRecords
from workers.connectors.rest.partitions import Family, Partition
from workers.connectors.rest.rows import RowMaker
from workers.connectors.rest.walk import Step, Walk, objects

log = structlog.get_logger()

WHOLE_RUN = (Unauthorised, RateLimited)
"""What no other partition could do better with: the run ends."""


@dataclass(slots=True)
class StreamRun:
    """One stream in one run."""

    api: Api
    family: Family
    nested: NestedRecords
    makers: Mapping[str, RowMaker]
    context: ExtractContext
    name: str
    spec: StreamSpec
    page_records: int | None = None
    refreshes: bool = False
    """`discover` has told the loader that this run reads all of the stream."""
    prepared: Walk | None = None
    """The walk of the only partition, its first page asked for already."""
    _gatherer: Gatherer = field(init=False)
    _on_their_way: set[str] = field(default_factory=set)
    """Partitions whose checkpoint this run has moved into a walk."""

    def __post_init__(self) -> None:
        self._gatherer = Gatherer(self.name, page_records=self.page_records)

    async def pages(self) -> AsyncGenerator[Page]:
        """What was gathered before an error is yielded before it is raised."""
        parts = self._alone() if not is_divided(self.spec) else self._round()
        error: SourceError | None = None
        try:
            async with aclosing(parts) as steps:
                async for _ in steps:
                    for page in self._gatherer.pages():
                        yield page
        except SourceError as raised:
            error = raised
        for page in self._gatherer.pages(all_of_it=True):
            yield page
        if error is not None:
            raise error

    async def _alone(self) -> AsyncGenerator[None]:
        if not self.context.wants(self.name):
            return
        bookmark, resume = self._state(SINGLE_PARTITION)
        if self._is_through(bookmark, resume):
            return
        walk = self.prepared or Walk(
            self.api, self.name, self.spec, self.api.scope, bookmark, resume, span=self._span()
        )
        learned: dict[str, Record] = {}
        learns = (
            self.family.has_children(self.name)
            and resume is None
            and self.spec.incremental is None
            and not walk.is_delta
        )
        added = self.family.added(self.spec, self.api.scope)
        try:
            async with aclosing(walk.steps()) as steps:
                async for step in steps:
                    records = self._gather(step, added)
                    if learns:
                        self.family.learn(self.name, records, learned)
                    self._keep(SINGLE_PARTITION, step, bookmark, resume)
                    if walk.is_delta and walk.is_full and not self.refreshes:
                        self._begin_again(bookmark)
                    yield
        except Skipped as skipped:
            log.warning("left out", stream=self.name, reason=str(skipped))
            return
        except WHOLE_RUN:
            raise
        except SourceError as error:
            if isinstance(error, Transient) and error.retry_in_place:
                raise
            self._gatherer.fail(self.name, SINGLE_PARTITION, error)
            return
        if learns:
            self.family.learned(self.name, learned)

    def _begin_again(self, bookmark: Bookmark | None) -> None:
        """Raises Transient: what a full walk does not find is deleted only if `discover` told of it."""
        resume = stored(Resume(full=True))
        self._gatherer.add({}, [Fragment(self.name, SINGLE_PARTITION, _stored(bookmark), resume)])
        raise Transient(
            f"stream {self.name}: its delta link has expired; the next run reads everything",
            retry_in_place=False,
        )

    def _is_through(self, bookmark: Bookmark | None, resume: Resume | None) -> bool:
        """Whether this backfill has come to the end of the partition before."""
        return self.context.backfill is not None and bookmark is not None and resume is None

    def _span(self) -> tuple[Mark, Mark] | None:
        """Of a backfill, as records have it.

        Raises:
            Permanent: the range is of another kind.
        """
        backfill, incremental = self.context.backfill, self.spec.incremental
        if backfill is None or incremental is None:
            return None
        first, end = (read_mark(each, incremental.kind) for each in (backfill.start, backfill.end))
        if first is None or end is None:
            raise Permanent(f"stream {self.name} goes by {incremental.kind}: {backfill.start} is none")
        return first, end

    async def _round(self) -> AsyncGenerator[None]:
        partitions = await self.family.partitions(self.name)
        bookmark, before = self._state(ROUND)
        round_ = _Round(self.name, _stored(bookmark), keeps_each=keeps_each(self.spec))
        wanted = self._wanted(before, round_.keeps_each)
        if wanted is None:
            begins_anew = before is not None and before.failed is not None and before.through is None
            round_.go_on(None if begins_anew else before)
            if begins_anew and not round_.keeps_each:
                round_.anew = True
            partitions = [p for p in partitions if round_.through is None or p.name > round_.through]
        else:
            partitions = [p for p in partitions if p.name in wanted]
            round_.retry(wanted)
        for partition in partitions:
            async for _ in self._partition(round_, partition):
                yield
        self._gatherer.add({}, round_.end(before is not None, bookmark is not None))
        yield

    def _wanted(self, before: Resume | None, keeps_each: bool) -> set[str] | None:
        """The partitions that a retry has to do; None: all of a round."""
        if self.context.only is None:
            return None
        wanted = {partition for stream, partition in self.context.only if stream == self.name}
        if keeps_each:
            return wanted - {ROUND}
        if not wanted:
            return set()
        at_end = before is not None and before.through is None and before.failed is not None
        return set(before.failed or ()) if before is not None and at_end else None

    async def _partition(self, round_: _Round, partition: Partition) -> AsyncGenerator[None]:
        bookmark, resume = self._state(partition.name) if round_.keeps_each else (None, None)
        if not round_.keeps_each and round_.at_partition == partition.name:
            resume = round_.resume
        if self._is_through(bookmark, resume):
            return
        walk = Walk(self.api, self.name, self.spec, partition.scope, bookmark, resume, span=self._span())
        added = self.family.added(self.spec, partition.scope)
        try:
            async with aclosing(walk.steps()) as steps:
                async for step in steps:
                    self._gather(step, added)
                    if round_.keeps_each:
                        kept = self._keep(partition.name, step, bookmark, resume)
                        fragments = round_.passed(partition.name) if step.resume is None and kept else []
                    else:
                        fragments = round_.step(partition.name, step)
                    self._gatherer.add({}, fragments)
                    yield
        except Skipped as skipped:
            log.debug("left out", stream=self.name, partition=partition.name, reason=str(skipped))
            self._gatherer.add({}, round_.passed(partition.name))
        except WHOLE_RUN:
            raise
        except SourceError as error:
            self._gatherer.fail(self.name, partition.name, error)
            self._gatherer.add({}, round_.failed(partition.name))
            yield

    def _gather(self, step: Step, added: dict[str, Any]) -> list[Record]:
        if step.begins_anew:
            self._gatherer.cut()  # else this page would say that the walk saw what it saw before
        records, others = objects(step.records)
        if added:
            records = [{**record, **added} for record in records]
        for name, inner, rejected in self.nested.of(self.name, records):
            self._put(name, inner)
            self._gatherer.reject(name, rejected)
        self._put(self.name, records)
        self._gatherer.reject(self.name, others)
        return records

    def _put(self, name: str, records: list[Record]) -> None:
        maker = self.makers[name]
        if not maker.tells_deletions:
            self._gatherer.add({name: records}, [])
            return
        for record in records:
            if maker.is_deletion(record):
                self._gatherer.delete(name, maker.key(record))
            else:
                self._gatherer.add({name: [record]}, [])
                self._gatherer.keep(name, maker.key(record))

    def _keep(self, partition: str, step: Step, bookmark: Bookmark | None, resume: Resume | None) -> bool:
        """The checkpoint behind a step, unless nothing has changed; whether it has."""
        if step.resume is not None:
            self._on_their_way.add(partition)
            after, going_on = _stored(bookmark), stored(step.resume)
        else:
            after, going_on = stored(step.bookmark), None
            is_news = step.records or resume is not None or partition in self._on_their_way
            if not is_news and bookmark is not None and after == stored(bookmark):
                return False
        self._gatherer.add(
            {}, [Fragment(self.name, partition, after, going_on, begins_anew=step.begins_anew)]
        )
        return True

    def _state(self, partition: str) -> tuple[Bookmark | None, Resume | None]:
        return read_state(self.context, self.name, partition, Bookmark, Resume)


@dataclass(slots=True)
class _Round:
    """How far a walk through all partitions is."""

    stream: str
    bookmark: JsonObject | None
    keeps_each: bool
    """Each partition has a checkpoint of its own."""
    through: str | None = None
    at_partition: str | None = None
    resume: Resume | None = None
    left: set[str] = field(default_factory=set)
    """Partitions that could not be read."""
    anew: bool = False
    is_retry: bool = False
    told: bool = False

    def go_on(self, before: Resume | None) -> None:
        if before is None:
            return
        self.through = before.through
        self.left = set(before.failed or ())
        if before.partition is not None:
            self.at_partition, self.resume = before.partition, before

    def retry(self, wanted: set[str]) -> None:
        self.is_retry = True
        self.left = set(wanted)

    def step(self, partition: str, step: Step) -> list[Fragment]:
        if step.resume is None:
            return self.passed(partition)
        if self.is_retry:
            return []
        resume = step.resume.model_copy(
            update={"through": self.through, "partition": partition, "failed": sorted(self.left) or None}
        )
        return self._fragment(resume)

    def passed(self, partition: str) -> list[Fragment]:
        self.left.discard(partition)
        return self._moved(partition)

    def failed(self, partition: str) -> list[Fragment]:
        self.left.add(partition)
        return self._moved(partition)

    def _moved(self, partition: str) -> list[Fragment]:
        if self.is_retry:
            return []
        self.through = partition
        failed = sorted(self.left) if self.left and not self.keeps_each else None
        return self._fragment(Resume(through=partition, failed=failed))

    def end(self, was_on: bool, was_complete: bool) -> list[Fragment]:
        """`was_on`: a round was broken off before; `was_complete`: there was one that ended."""
        if self.is_retry and self.keeps_each:
            return []
        if self.left and not self.keeps_each:
            return self._fragment(Resume(failed=sorted(self.left)))
        if self.keeps_each and not (self.told or was_on or not was_complete):
            return []
        return [Fragment(self.stream, ROUND, bookmark={}, begins_anew=self._anew_once())]

    def _fragment(self, resume: Resume) -> list[Fragment]:
        self.told = True
        return [Fragment(self.stream, ROUND, self.bookmark, stored(resume), begins_anew=self._anew_once())]

    def _anew_once(self) -> bool:
        anew, self.anew = self.anew, False
        return anew


def is_divided(spec: StreamSpec) -> bool:
    return spec.parent is not None or spec.partitions is not None


def keeps_each(spec: StreamSpec) -> bool:
    return spec.incremental is not None


def _stored(bookmark: Bookmark | None) -> JsonObject | None:
    return None if bookmark is None else stored(bookmark)
