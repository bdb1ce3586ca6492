"""The synthetic connector: walks numbered records, the partitions of a stream in turn."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, assert_never

from pydantic import BaseModel

from etl_core.backfill import RangeKind
from etl_core.connector import (
    SINGLE_PARTITION,
    ExtractContext,
    Finding,
    Fragment,
    Page,
    PartitionFailure,
    Record,
    Stream,
)
from etl_core.errors import BadRecord, Permanent, RateLimited, SourceError, Transient, Unauthorised
from etl_core.stored_state import read_state
from workers.connectors.synthetic.checkpoint import Bookmark, Resume
from workers.connectors.synthetic.config import FailKind, SyntheticConfig
from workers.connectors.synthetic.records import (
    COLUMNS,
    KEY,
    NOT_A_NUMBER,
    in_share,
    is_mutated,
    make_record,
    stream_seed,
)

_BREATH = 20_000
"""Numbers looked at between two points where the event loop may do something else."""


@dataclass(frozen=True, slots=True)
class _Walk:
    """What this run has to do in one partition: yield those of `numbers` that are new or changed."""

    stream: str
    partition: str
    seed: int
    numbers: range
    generation: int
    known: int
    """Records up to this number were yielded by earlier walks; they come again only if they changed."""
    bookmark: Bookmark | None


class SyntheticConnector:
    """Made-up records for trying out; it fails, dawdles, changes and spoils them as told."""

    type: ClassVar[str] = "synthetic"
    default_max_runs: ClassVar[int | None] = None
    Config: ClassVar[builtins.type[BaseModel]] = SyntheticConfig
    Bookmark: ClassVar[builtins.type[BaseModel]] = Bookmark
    Resume: ClassVar[builtins.type[BaseModel]] = Resume

    def __init__(self, config: SyntheticConfig) -> None:
        self.config = config

    async def check(self) -> Sequence[Finding]:
        """Nothing can be out of reach; a failure that was asked for is told."""
        config = self.config
        found = [Finding("records", "ok", f"{config.records:,} in each of {config.streams} streams")]
        if config.fail_at is not None:
            told = f"runs fail at record {config.fail_at} ({config.fail_kind}), as fail_at says"
            found.append(Finding("fail_at", "failed", told, "take fail_at out of the configuration"))
        return found

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        return [Stream(name, COLUMNS, KEY) for name in self._stream_names()]

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        """Pages of the streams one after the other, of their partitions in turn so that lanes fill together.

        Nothing new gives no page. Raises at record `fail_at`, after a page of the records before it.
        """
        streams = [
            [self._plan(context, name, number, part) for part in range(self.config.partitions)]
            for number, name in enumerate(self._stream_names())
        ]
        total = sum(self._expected(walk) for walks in streams for walk in walks if walk)
        for walks in streams:
            async with AsyncExitStack() as stack:
                running = [
                    await stack.enter_async_context(aclosing(self._pages(walk, total)))
                    for walk in walks
                    if walk
                ]
                while running:
                    for pages in tuple(running):
                        page = await anext(pages, None)
                        if page is None:
                            running.remove(pages)
                        else:
                            yield page

    def transform(self, stream: Stream, record: Record) -> Record:
        if record["amount"] == NOT_A_NUMBER:
            raise BadRecord(f"record {record['id']}: amount is {NOT_A_NUMBER!r}, which is no number")
        return record

    def _stream_names(self) -> list[str]:
        return ["records", *(f"records_{number}" for number in range(2, self.config.streams + 1))]

    def _plan(self, context: ExtractContext, stream: str, stream_number: int, part: int) -> _Walk | None:
        """The walk over partition number `part` (from 0), or None if there is nothing to do in it."""
        config = self.config
        partition = SINGLE_PARTITION if config.partitions == 1 else f"part-{part + 1}"
        if not context.wants(stream, partition):
            return None
        lowest, end = self._range(context)
        bookmark, resume = read_state(context, stream, partition, Bookmark, Resume)
        known = bookmark.through if bookmark else 0
        first = max(resume.next if resume else 1, lowest)
        if not config.mutate:
            first = max(first, known + 1)
        # The numbers of a partition are those with its remainder, so raising `records` moves none.
        numbers = range(first + (part + 1 - first) % config.partitions, end, config.partitions)
        if not numbers and resume is None:
            return None
        next_generation = bookmark.generation + 1 if bookmark else 0
        return _Walk(
            stream=stream,
            partition=partition,
            seed=stream_seed(config.seed, stream_number),
            numbers=numbers,
            generation=resume.generation if resume else next_generation,
            known=known,
            bookmark=bookmark,
        )

    def backfill_ranges(self) -> Mapping[str, RangeKind]:
        """By a record's number."""
        return dict.fromkeys(self._stream_names(), "number")

    def _range(self, context: ExtractContext) -> tuple[int, int]:
        """The first number to read, and the first that is too high.

        Raises:
            Permanent: a backfill's range is not of numbers.
        """
        highest = self.config.records + 1
        if context.backfill is None:
            return 1, highest
        try:
            return max(1, int(context.backfill.start)), min(int(context.backfill.end), highest)
        except ValueError:
            told = f"{context.backfill.start} to {context.backfill.end}"
            raise Permanent(f"records are numbered: {told} is no range of numbers") from None

    def _expected(self, walk: _Walk) -> int:
        """Records the walk will yield; a few more or less where some of them changed."""
        old = sum(1 for number in walk.numbers if number <= walk.known) if walk.known else 0
        return len(walk.numbers) - old + int(old * self.config.mutate)

    async def _pages(self, walk: _Walk, total: int) -> AsyncGenerator[Page]:
        config = self.config
        records: list[Record] = []
        for looked_at, number in enumerate(walk.numbers, 1):
            if looked_at % _BREATH == 0:
                await asyncio.sleep(0)
            is_new = number > walk.known
            if not is_new and not is_mutated(number, walk.generation, config.records, config.mutate):
                continue
            if records and (len(records) == config.page_size or number == config.fail_at):
                await asyncio.sleep(config.delay_ms / 1_000)
                yield _page(walk, records, total, resume=Resume(generation=walk.generation, next=number))
                records = []
            if number == config.fail_at:
                failure = self._failure(walk.stream, number)
                if config.fail_alone and isinstance(failure, SourceError):
                    yield _failed(walk, failure)
                    return
                raise failure
            records.append(
                make_record(
                    walk.seed,
                    number,
                    0 if is_new else walk.generation,
                    bad=in_share(number - 1, config.bad_rate) if config.bad_rate else False,
                )
            )
        await asyncio.sleep(config.delay_ms / 1_000)
        yield _page(walk, records, total, resume=None, through=config.records)

    def _failure(self, stream: str, number: int) -> Exception:
        where = f"stream {stream}: failed at record {number}, as the integration's fail_at says"
        match self.config.fail_kind:
            case FailKind.TRANSIENT:
                return Transient(where)
            case FailKind.RATE_LIMITED:
                return RateLimited(where, until=timedelta(seconds=self.config.rate_limit_s))
            case FailKind.UNAUTHORISED:
                return Unauthorised(where)
            case FailKind.PERMANENT:
                return Permanent(where)
            case FailKind.CRASH:
                return RuntimeError(where)
        assert_never(self.config.fail_kind)


def _failed(walk: _Walk, error: SourceError) -> Page:
    failure = PartitionFailure(walk.stream, walk.partition, error)
    return Page(lane=f"{walk.stream}/{walk.partition}", records={}, failures=[failure])


def _page(walk: _Walk, records: list[Record], total: int, *, resume: Resume | None, through: int = 0) -> Page:
    """A page and the checkpoint behind it: in mid-walk the old bookmark with `resume`, then a new one."""
    bookmark = walk.bookmark if resume else Bookmark(generation=walk.generation, through=through)
    return Page(
        lane=f"{walk.stream}/{walk.partition}",
        records={walk.stream: records} if records else {},
        checkpoint=[
            Fragment(
                stream=walk.stream,
                partition=walk.partition,
                bookmark=bookmark.model_dump() if bookmark else None,
                resume=resume.model_dump() if resume else None,
            )
        ],
        total=total,
    )
