"""One walk through a table or query, from where its checkpoint stands to the end.

A walk has one to three legs, each in an order that no change can shuffle (`checkpoint.Resume`): `all`, every
row by its key; or `rows`, what is new by cursor and key, `nulls`, and in a census `keys`. In a snapshot each
leg is a cursor of the server. Behind a snapshot that was held too long, or a crash, another snapshot goes on
behind the last row. So what a walk read is not of one moment then, and that is made good in this way:

- The bookmark is what the *first* snapshot held: its largest cursor, or its oldest running transaction.
  Whatever is committed after that snapshot comes behind the bookmark, less the overlap, so the next run reads
  it again, wherever the walk stood.
- Keys do not move, so a walk by key misses no row that was there all the time, and a census is right. (A key
  that is changed is another row; the next run has it.)
- Rows whose key is null have no place in its order: they come last, together, and are rejected.
- What the walk passed and was changed later is loaded as it was; the next run finds the change.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from etl_core.connector import SINGLE_PARTITION, Backfill, Covers, Fragment, Page
from etl_core.errors import Transient
from workers.connectors.postgres.checkpoint import Bookmark, Leg, Resume
from workers.connectors.postgres.config import PostgresConfig
from workers.connectors.postgres.session import Session
from workers.connectors.postgres.sources import Source
from workers.connectors.postgres.statements import (
    SNAPSHOT,
    Statement,
    before,
    bound,
    mark,
    order,
    walk,
)
from workers.pace import Pace

FIRST_PAGE: Final = 500
"""Rows; from them on it is known how long rows are."""
PAGE_BYTES: Final = 4_000_000
WINDOW: Final = 50_000
"""Rows of a table that are looked at at once for what is new by xmin, of which no index tells."""
QUIET_WINDOWS: Final = 20
"""After so many without a page the place is kept all the same."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the walk of a run is, before anything is read."""

    census: bool
    everything: bool
    goes_on: bool
    """Behind what an earlier one left."""


def plan(source: Source, bookmark: Bookmark | None, resume: Resume | None, server: str | None) -> Plan:
    """Pure. `server`: whose transactions are counted now."""
    if resume is not None and _fits(source, resume, server):
        return Plan(resume.census, resume.since is None, goes_on=True)
    may = source.census_every > 0
    if not source.by:
        return Plan(may, everything=True, goes_on=False)
    if bookmark is None or bookmark.at is None or not _fits(source, bookmark, server):
        return Plan(may, everything=True, goes_on=False)
    census = may and bookmark.runs + 1 >= source.census_every
    return Plan(census, everything=census and source.census_reads_rows, goes_on=False)


def _fits(source: Source, known: Bookmark | Resume, server: str | None) -> bool:
    """Whether it is about what is to be read now."""
    if isinstance(known, Resume) and known.key != [*source.key]:
        return False
    if None not in (known.table, source.oid) and known.table != source.oid:
        return False  # dropped and made again: nothing says that its rows are newer than the bookmark
    if known.kinds is not None and known.kinds != source.kinds[: len(known.kinds)]:
        return False  # values of another type are put in another order, if they can be read at all
    is_of_server = not source.by_xmin or known.server == server
    return known.by == source.by and set(source.names) <= set(known.columns) and is_of_server


class Walk:
    """The pages of one stream in one run."""

    _at: Resume
    """Where it stands, once it has begun."""

    def __init__(
        self,
        session: Session,
        config: PostgresConfig,
        source: Source,
        bookmark: Bookmark | None,
        resume: Resume | None,
        *,
        server: str | None,
        most_rows: int,
        backfill: Backfill | None = None,
    ) -> None:
        """`backfill`: only rows whose first cursor column is in this range."""
        self._range = backfill
        self._session = session
        self._config = config
        self._source = source
        self._bookmark = bookmark
        self._left = resume
        self._server = server
        self._plan = plan(source, bookmark, resume, server)
        self._most = most_rows
        self._pace = Pace(config.rows_per_second)
        self._is_begun_anew = resume is not None and not self._plan.goes_on
        self._rows = min(FIRST_PAGE, most_rows)
        self._quiet = 0
        """Windows since the last page."""

    async def pages(self) -> AsyncGenerator[Page]:
        """Raises: SourceError; the walk goes on behind the last page."""
        self._session.what = self._source.shown
        await self._session.begin()
        self._at = self._left if self._plan.goes_on and self._left else await self._begin()
        for leg in self._legs(self._at):
            if leg != self._at.leg:
                self._move(leg=leg, after=None)
            is_over = False
            while not is_over:
                until = await self._until()
                async with aclosing(self._stretch(until)) as pages:
                    async for page in pages:
                        yield page
                        del page
                is_over = until is None
                if until is not None:
                    self._move(after=until)
                    self._quiet += 1
                if self._quiet == QUIET_WINDOWS:
                    yield self._page(())
        await self._session.end()
        yield self._last_page(self._at)

    async def _stretch(self, until: list[str | None] | None) -> AsyncGenerator[Page]:
        """Of the present leg, up to the row `until` or to its end."""
        leg = self._at.leg
        is_open = is_over = False
        while not is_over:
            if not (leg == "keyless" and is_open) and await self._session.is_stale():
                await self._session.begin()
                is_open = False
            if not is_open:
                await self._session.open(await self._statement(until))
                is_open = True
            asked = self._most if leg == "keys" else self._rows
            rows = await self._session.fetch(asked)
            is_over = len(rows) < asked
            if rows:
                self._move(after=self._place(leg, rows[-1]))
                yield self._page(rows)
                await self._pace.wait(len(rows))
                del rows  # or they would be there beside the next
        await self._session.close()

    async def _until(self) -> list[str | None] | None:
        """A row so far ahead that what is new up to it is found in a moment; None: the end is nearer."""
        if not self._source.by_xmin or self._at.leg != "rows":
            return None
        row = await self._session.row(bound(self._source, self._at.after, WINDOW))
        return None if row is None else [*row]

    def _move(self, **fields: Any) -> None:
        self._at = self._at.model_copy(update=fields)

    def _legs(self, at: Resume) -> Sequence[Leg]:
        if self._range is not None:
            return ["rows"]
        has_nulls = any(column.is_nullable for column in self._source.cursor)
        has_keyless = any(column.is_nullable for column in self._source.key_columns)
        wanted: dict[Leg, bool] = {"rows": True, "nulls": has_nulls, "keys": at.census}
        if at.since is None:
            wanted = {"all": True, "keyless": has_keyless}
        legs = [leg for leg, is_wanted in wanted.items() if is_wanted or leg == at.leg]
        return legs[legs.index(at.leg) :]

    async def _begin(self) -> Resume:
        """Where a walk starts, as its first snapshot says."""
        if self._range is not None:
            return self._resume("rows", since=[self._range.start], marked=None, census=False)
        source, old = self._source, None if self._plan.everything else self._bookmark
        since = marked = None
        if source.by_xmin:
            oldest, following = await self._transactions()
            marked = [str(oldest)]
            if old is not None and old.at is not None:
                since = old.at
                if int(since[0]) > following and self._server is None:
                    old = None  # another server: these are not its transactions
                elif int(since[0]) > following:
                    raise Transient(
                        f"{source.shown}: the server has not come to where the last run read; is it a "
                        "standby that is behind?",
                        retry_in_place=False,
                    )
        elif source.cursor:
            if old is not None and old.at is not None:
                since = await self._less_overlap(old.at)
            marked = await self._largest(since)
            if marked is None and old is not None:
                marked = old.at
        if old is None:
            return self._resume("all", since=None, marked=marked, census=self._plan.census)
        return self._resume("rows", since=since, marked=marked, census=self._plan.census)

    def _resume(self, leg: Leg, *, since: list[str] | None, marked: list[str] | None, census: bool) -> Resume:
        source = self._source
        return Resume(
            leg=leg,
            after=None,
            since=since,
            mark=marked,
            census=census,
            by=source.by,
            key=[*source.key],
            server=self._server if source.by_xmin else None,
            columns=source.names,
            table=source.oid,
            kinds=source.kinds,
        )

    async def _less_overlap(self, at: list[str]) -> list[str]:
        if not self._source.overlap:
            return at
        row = await self._session.row(before(self._source.cursor[0], at[0], self._source.overlap))
        return [str(row[0])] if row else at

    async def _largest(self, since: Sequence[str] | None) -> list[str] | None:
        row = await self._session.row(mark(self._source, since, self._config.time_zone))
        return None if row is None else [str(value) for value in row]

    async def _transactions(self) -> tuple[int, int]:
        """The oldest that runs, and the next that will begin, as the snapshot sees it."""
        row = await self._session.row(Statement(SNAPSHOT))
        if row is None:
            raise Transient(f"{self._source.shown}: the server tells no snapshot")
        return int(row[0]), int(row[1])

    async def _statement(self, until: Sequence[str | None] | None) -> Statement:
        at = self._at
        since = at.since
        if self._source.by_xmin and at.leg == "rows" and since is not None:
            _, following = await self._transactions()
            since = [since[0], str(max(0, following - int(since[0])))]
        below = None if self._range is None else self._range.end
        return walk(self._source, at.leg, at.after, since, until, below=below)

    def _place(self, leg: Leg, row: Any) -> list[str | None] | None:
        places = len(order(self._source, leg))
        return [*row.values()][-places:] if places else None

    def _page(self, rows: Sequence[Any]) -> Page:
        source, at = self._source, self._at
        self._quiet = 0
        names = [name for name in source.names if at.leg != "keys" or name in source.key]
        records = [dict(zip(names, row, strict=False)) for row in rows]
        stored = None if self._bookmark is None else self._bookmark.model_dump()
        fragment = Fragment(
            source.stream, SINGLE_PARTITION, stored, at.model_dump(), begins_anew=self._begins_anew()
        )
        if at.leg == "keys":
            return Page(source.stream, {}, [fragment], seen={source.stream: records})
        if records:
            self._fit(records)
        return Page(source.stream, {source.stream: records} if records else {}, [fragment])

    def _fit(self, records: Sequence[dict[str, Any]]) -> None:
        """So many rows next time that they are about PAGE_BYTES."""
        size = sum(len(value) for record in records for value in record.values() if type(value) is str)
        fits = int(PAGE_BYTES / (size / len(records) + 1))
        self._rows = max(1, min(self._most, fits, 4 * self._rows))

    def _begins_anew(self) -> bool:
        anew, self._is_begun_anew = self._is_begun_anew, False
        return anew

    def _last_page(self, at: Resume) -> Page:
        """Once all is loaded: where the next run begins. Only what a census did not see is gone."""
        before = self._bookmark
        runs = 0 if at.census or before is None or at.since is None else before.runs + 1
        end = Bookmark(
            by=at.by,
            at=at.mark,
            server=at.server,
            columns=at.columns,
            runs=runs,
            table=at.table,
            kinds=at.kinds and at.kinds[: len(self._source.cursor)],
        )
        covers = None if at.census else Covers(self._source.key[0], [])
        fragment = Fragment(
            self._source.stream,
            SINGLE_PARTITION,
            end.model_dump(),
            covers=covers,
            begins_anew=self._begins_anew(),
        )
        return Page(self._source.stream, {}, [fragment])
