"""What every connector must do, whatever it connects to.

Subclass `ConnectorContract` and give it a `case` (see `etl_core.testing.case`, which shows a whole one).
Tests are coroutines: they need pytest-asyncio.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import tracemalloc
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from etl_core.connector import Connector, ExtractContext, Page, Record, Stream
from etl_core.connectors_registry import find_connector
from etl_core.errors import Permanent, Transient
from etl_core.testing.case import ConnectorCase, Expected
from etl_core.testing.walking import Destination, Rows, pages_of, run, run_fresh

CANCEL_SECONDS = 2
"""A person who cancels a run waits so long at most."""
CANCEL_TRIES = 3
"""One of so many must be in time: a machine may be busy with something else."""
FLOW_BYTES = 2_000_000
"""Of JSON: what a large walk must carry for its use of memory to mean something."""
MOST_INTERRUPTIONS = 8
"""Of one test that changes the source at a page; all pages where there are not more."""


@pytest.mark.asyncio
class ConnectorContract:
    """The suite. Each test is told in its name; its docstring says why, where that is not plain."""

    @pytest.fixture
    def case(self) -> ConnectorCase:
        """A source of its own for each test; a fixture of this name in the subclass gives it."""
        raise NotImplementedError(f"{type(self).__name__} has no fixture `case`")

    # -- what it is ------------------------------------------------------------------------------------------

    async def test_is_a_connector_of_its_type(self, case: ConnectorCase) -> None:
        connector = case.connector()
        assert isinstance(connector, Connector)
        assert find_connector(connector.type) is type(connector), "its entry point leads elsewhere"

    async def test_a_typo_in_the_configuration_is_named(self, case: ConnectorCase) -> None:
        with pytest.raises(ValidationError, match="no_such_field"):
            case.connector().Config.model_validate({"no_such_field": "/x"})

    async def test_check_tells_in_lines_what_may_be_read(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        for finding in await case.connector().check() or ():
            assert finding.state in ("ok", "missing", "unknown"), f"{finding}, where nothing is wrong"
            for line in (finding.what, finding.detail, finding.remedy):
                assert "\n" not in line

    # -- what it yields --------------------------------------------------------------------------------------

    async def test_one_run_yields_the_whole_source(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        loaded, streams = await run_fresh(case.connector())
        assert loaded.pages > 3, "make its pages smaller, or `few` larger: there is nothing to interrupt"
        assert not loaded.rejected and not loaded.failures
        expect(case.expected(), loaded.rows)
        assert all(state.resume is None for state in loaded.checkpoint.values()), "a walk did not end"
        for stream in streams:
            names = {column.name for column in stream.columns}
            for row in loaded.rows.get(stream.name, {}).values():
                assert stream.infer or set(row) <= names, f"{stream.name} has columns that are not declared"

    async def test_pages_of_one_partition_share_a_lane(self, case: ConnectorCase) -> None:
        """Lanes are loaded beside each other: in two of them, a checkpoint would run ahead of data."""
        await case.fill(case.few)
        lanes: dict[tuple[str, str], set[str]] = {}
        for page in await _all_pages(case.connector()):
            for fragment in page.checkpoint:
                lanes.setdefault((fragment.stream, fragment.partition), set()).add(page.lane)
        assert lanes
        assert all(len(found) == 1 for found in lanes.values()), lanes

    async def test_rows_of_one_key_share_a_lane(self, case: ConnectorCase) -> None:
        """In two lanes, an older version of a row could be loaded over a newer one."""
        await case.fill(case.few)
        connector = case.connector()
        streams = await _streams(connector)
        lanes: dict[tuple[Any, ...], set[str]] = {}
        for page in await _all_pages(connector):
            for name, records in page.records.items():
                for record in records:
                    row = connector.transform(streams[name], record)
                    key = tuple(row[column] for column in streams[name].key)
                    if key:
                        lanes.setdefault((name, *key), set()).add(page.lane)
        assert all(len(found) == 1 for found in lanes.values())

    async def test_transform_is_pure(self, case: ConnectorCase) -> None:
        """A worker that only transforms has a new instance, and a replay gives it a record a second time."""
        await case.fill(case.few)
        connector = case.connector()
        streams = await _streams(connector)
        other = case.connector()
        for page in await _all_pages(connector):
            for name, records in page.records.items():
                for record in records:
                    before = copy.deepcopy(record)
                    row = copy.deepcopy(connector.transform(streams[name], record))
                    assert record == before, "transform changed the record that it was given"
                    assert connector.transform(streams[name], record) == row
                    stored: Record = json.loads(json.dumps(record))
                    assert other.transform(streams[name], stored) == row, "it hangs on what an instance saw"

    async def test_a_bad_record_is_rejected_alone(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        bad = await case.spoil()
        loaded, _ = await run_fresh(case.connector())
        assert loaded.rejected == bad, [*loaded.refused, *loaded.rejects]
        assert not loaded.failures
        expect(case.expected(), loaded.rows)
        assert all(state.resume is None for state in loaded.checkpoint.values()), "it stopped at the record"

    # -- going on --------------------------------------------------------------------------------------------

    async def test_killed_after_any_page_and_resumed_gives_the_same(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        whole, _ = await run_fresh(case.connector())
        for pages in range(whole.pages):
            broken = Destination()
            await run(case.connector(), broken, stop_after=pages)
            await run(case.connector(), broken)
            _same(case, broken, whole, f"killed after page {pages}")

    async def test_killed_after_every_page_comes_to_an_end(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        whole, _ = await run_fresh(case.connector())
        broken = Destination()
        for _ in range(whole.pages + 3):
            await run(case.connector(), broken, stop_after=1)
        await run(case.connector(), broken)
        _same(case, broken, whole, "killed after every page")

    async def test_killed_while_lanes_are_apart(self, case: ConnectorCase) -> None:
        """Pages of one lane were loaded, those of the others were extracted and lost."""
        await case.fill(case.few)
        whole, _ = await run_fresh(case.connector())
        lanes = {page.lane for page in await _all_pages(case.connector())}
        for lane in sorted(lanes)[:MOST_INTERRUPTIONS]:
            connector, broken = case.connector(), Destination()
            streams = await _streams(connector)
            for page in await _all_pages(connector, discover=False):
                if page.lane == lane:
                    broken.load(connector, streams, page)
            await run(case.connector(), broken)
            _same(case, broken, whole, f"only lane {lane} was loaded")

    async def test_begun_again_in_place_it_goes_on(self, case: ConnectorCase) -> None:
        """After a Transient error, `extract` is called again on the same instance."""
        await case.fill(case.few)
        whole, _ = await run_fresh(case.connector())
        for pages in range(1, whole.pages):
            connector, broken = case.connector(), Destination()
            streams = await _streams(connector)
            for stop in (pages, None):
                context = ExtractContext(checkpoint=dict(broken.checkpoint))
                broken.begin_run()
                async with aclosing(pages_of(connector, context)) as walk:
                    async for page in walk:
                        broken.load(connector, streams, page)
                        if broken.pages == stop:
                            break
            _same(case, broken, whole, f"begun again after page {pages}")

    async def test_each_page_twice_gives_the_same_rows(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        whole, streams = await run_fresh(case.connector())
        connector, doubled = case.connector(), Destination()
        by_name = await _streams(connector)
        for page in await _all_pages(connector, discover=False):
            doubled.load(connector, by_name, page)
            doubled.load(connector, by_name, replace(page, checkpoint=(), whole_of={}, deleted={}))
        for stream in streams:
            if stream.key:
                assert doubled.rows.get(stream.name) == whole.rows.get(stream.name)

    async def test_no_bookmark_runs_ahead_of_the_data(self, case: ConnectorCase) -> None:
        """A bookmark after k pages promises what it covers: without any resume, nothing may be lost."""
        await case.fill(case.few)
        whole, _ = await run_fresh(case.connector())
        for pages in range(1, whole.pages):
            broken = Destination()
            await run(case.connector(), broken, stop_after=pages)
            broken.forget_resumes()
            await run(case.connector(), broken)
            assert _keyed(broken, whole) == _keyed(whole, whole), f"killed after page {pages}, resume cleared"

    async def test_a_second_run_finds_nothing_new(self, case: ConnectorCase) -> None:
        """Nor does what it reads again, where it does so, change anything."""
        await case.fill(case.few)
        loaded, _ = await run_fresh(case.connector())
        rows = copy.deepcopy(loaded.rows)
        before = dict(loaded.checkpoint)
        await run(case.connector(), loaded)
        assert loaded.rows == rows
        if case.exact_checkpoint:
            assert {place: state.bookmark for place, state in loaded.checkpoint.items()} == {
                place: state.bookmark for place, state in before.items()
            }
        assert set(before) == set(loaded.checkpoint)
        assert all(state.resume is None for state in loaded.checkpoint.values())
        if not case.overlap:
            assert loaded.records == 0
            assert loaded.pages <= 1, "a page that tells nothing costs a transaction"

    # -- a source that changes -------------------------------------------------------------------------------

    async def test_what_changes_between_runs_is_found(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        loaded, _ = await run_fresh(case.connector())
        for _ in range(3):
            await case.change()
            await run(case.connector(), loaded)
            expect(case.expected(), loaded.rows)

    async def test_changed_between_a_kill_and_its_resume_nothing_is_lost(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        for pages in _some(await run_fresh(case.connector())):
            broken = Destination()
            await run(case.connector(), broken, stop_after=pages)
            await case.change()
            await _run_until_whole(case, broken)
            await _run_until_whole(case, broken)
            expect(case.expected(), broken.rows, f"changed after page {pages}")

    async def test_changed_while_it_is_read_nothing_is_lost(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        for pages in _some(await run_fresh(case.connector())):
            loaded = Destination()
            try:
                connector = case.connector()
                streams = await _streams(connector)
                async with aclosing(pages_of(connector, ExtractContext())) as walk:
                    async for page in walk:
                        loaded.load(connector, streams, page)
                        if loaded.pages == pages:
                            await case.change()
            except Transient:
                pass  # it may say so, and is then tried again
            await _run_until_whole(case, loaded)
            expect(case.expected(), loaded.rows, f"changed while page {pages} was loaded")

    # -- checkpoints -----------------------------------------------------------------------------------------

    async def test_checkpoint_models_read_back_what_they_wrote(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        connector = case.connector()
        models = {name: getattr(connector, name, None) for name in ("Bookmark", "Resume")}
        for page in await _all_pages(connector):
            for fragment in page.checkpoint:
                for model, value in zip(models.values(), (fragment.bookmark, fragment.resume), strict=True):
                    if value is not None and isinstance(model, type) and issubclass(model, BaseModel):
                        stored = json.loads(json.dumps(value))
                        assert model.model_validate(stored).model_dump(mode="json") == value

    async def test_an_edited_checkpoint_that_cannot_be_read_is_told(self, case: ConnectorCase) -> None:
        """By a sentence that names stream, value and field, and says to clear it: people edit checkpoints."""
        await case.fill(case.few)
        loaded, _ = await run_fresh(case.connector())
        place, state = next((place, each) for place, each in loaded.checkpoint.items() if each.bookmark)
        loaded.checkpoint[place] = replace(state, bookmark={"nonsense": 1})
        with pytest.raises(Permanent, match=f"{place[0]}.*bookmark.*nonsense.*clear"):
            await run(case.connector(), loaded)

    # -- resources -------------------------------------------------------------------------------------------

    async def test_cancelled_in_mid_walk_it_ends_in_time_and_can_go_on(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        broken = Destination()
        await _cancel_in_time(case, broken)
        await run(case.connector(), broken)
        expect(case.expected(), broken.rows)

    async def test_cancelled_while_the_source_does_not_answer(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        broken = Destination()
        async with case.stalled():
            await _cancel_in_time(case, broken)
        await run(case.connector(), broken)
        expect(case.expected(), broken.rows)

    async def test_memory_stays_flat_over_a_large_walk(self, case: ConnectorCase) -> None:
        """At no moment is there half of what flowed through: dicts of all records would be twice of it."""
        await case.fill(case.many)
        connector = case.connector()
        context = ExtractContext()
        await connector.discover(context)
        async with aclosing(pages_of(connector, context)) as warming_up:
            await anext(warming_up)
        gc.collect()
        flowed = pages = 0
        tracemalloc.start()
        try:
            async with aclosing(pages_of(connector, context)) as walk:
                async for page in walk:
                    pages += 1
                    # A number and no list: what is measured must not be this test.
                    flowed += sum(
                        len(json.dumps(record)) for each in page.records.values() for record in each
                    )
                    del page
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert pages >= 20 and flowed >= FLOW_BYTES, f"too little to tell: {pages} pages, {flowed:,} bytes"
        assert peak < flowed / 2, f"{peak:,} bytes at once, and {flowed:,} bytes of records flowed"


def expect(expected: Expected, rows: Rows, where: str = "") -> None:
    """Asserts that rows are the expected ones, naming the first that are not."""
    for stream, wanted in expected.items():
        table = rows.get(stream, {})
        lost = [key for key in wanted if key not in table]
        assert not lost, f"{where} {stream}: {len(lost)} rows are lost, such as {lost[:3]}"
        strange = [key for key in table if key not in wanted]
        assert not strange, (
            f"{where} {stream}: {len(strange)} rows should not be there, such as {strange[:3]}"
        )
        for key, columns in wanted.items():
            found = {name: table[key].get(name) for name in columns}
            assert found == dict(columns), f"{where} {stream} {key}"


def _same(case: ConnectorCase, found: Destination, whole: Destination, where: str) -> None:
    assert found.rows == whole.rows, where
    assert set(found.checkpoint) == set(whole.checkpoint), where
    if case.exact_checkpoint:
        assert found.checkpoint == whole.checkpoint, where


def _keyed(of: Destination, whole: Destination) -> dict[str, Mapping[Any, Record]]:
    """Without append-only streams, in which what is read twice is there twice."""
    appended = {name for name, table in whole.rows.items() if any(isinstance(key, int) for key in table)}
    return {name: table for name, table in of.rows.items() if name not in appended}


def _some(fresh: tuple[Destination, list[Stream]]) -> list[int]:
    """Numbers of pages to interrupt at, spread over all."""
    pages = fresh[0].pages
    step = max(1, pages // MOST_INTERRUPTIONS)
    return list(range(1, pages + 1, step))


async def _streams(connector: Connector) -> dict[str, Stream]:
    return {stream.name: stream for stream in await connector.discover(ExtractContext())}


async def _all_pages(connector: Connector, *, discover: bool = True) -> list[Page]:
    if discover:
        await connector.discover(ExtractContext())
    return [page async for page in pages_of(connector, ExtractContext())]


async def _run_until_whole(case: ConnectorCase, into: Destination) -> None:
    """A run and, if the source changed under it, its retry."""
    for _ in range(2):
        try:
            await run(case.connector(), into)
        except Transient:
            continue
        return
    await run(case.connector(), into)


async def _cancel_in_time(case: ConnectorCase, broken: Destination) -> None:
    """Cancels a walk behind its first page, or while it waits for that."""
    loop = asyncio.get_running_loop()
    took = []
    for _ in range(CANCEL_TRIES):
        reached = asyncio.Event()

        async def work(reached: asyncio.Event) -> None:
            connector = case.connector()
            context = ExtractContext(checkpoint=dict(broken.checkpoint))
            streams = {stream.name: stream for stream in await connector.discover(context)}
            async with aclosing(pages_of(connector, context)) as pages:
                async for page in pages:
                    broken.load(connector, streams, page)
                    reached.set()
                    await asyncio.sleep(0)

        task = asyncio.create_task(work(reached))
        waiting = asyncio.create_task(reached.wait())
        await asyncio.wait({task, waiting}, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        began = loop.time()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            took.append(loop.time() - began)
        else:
            return  # it had come to its end, where nothing is to be cancelled
        if took[-1] < CANCEL_SECONDS:
            return
    raise AssertionError(f"cancelled, it went on for {min(took):.1f} s and more, {CANCEL_TRIES} times")
