"""What a run that broke off leaves, and what goes on from there."""

from __future__ import annotations

import copy
import json
from contextlib import aclosing
from dataclasses import replace

import pytest
from pydantic import BaseModel

from etl_core.connector import ExtractContext
from etl_core.errors import Permanent
from etl_core.testing.case import ConnectorCase
from etl_core.testing.contract.comparing import (
    MOST_INTERRUPTIONS,
    all_pages,
    expect_same,
    keyed_rows,
    streams_of,
)
from etl_core.testing.walking import Destination, pages_of, run, run_fresh


class GoingOn:
    """Killed anywhere, begun again, given twice: the same rows."""

    async def test_killed_after_any_page_and_resumed_gives_the_same(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        whole, _ = await run_fresh(case.connector())
        for pages in range(whole.pages):
            broken = Destination()
            await run(case.connector(), broken, stop_after=pages)
            await run(case.connector(), broken)
            expect_same(case, broken, whole, f"killed after page {pages}")

    async def test_killed_after_every_page_comes_to_an_end(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        whole, _ = await run_fresh(case.connector())
        broken = Destination()
        for _ in range(whole.pages + 3):
            await run(case.connector(), broken, stop_after=1)
        await run(case.connector(), broken)
        expect_same(case, broken, whole, "killed after every page")

    async def test_killed_while_lanes_are_apart(self, case: ConnectorCase) -> None:
        """Pages of one lane were loaded, those of the others were extracted and lost."""
        await case.fill(case.few)
        whole, _ = await run_fresh(case.connector())
        lanes = {page.lane for page in await all_pages(case.connector())}
        for lane in sorted(lanes)[:MOST_INTERRUPTIONS]:
            connector, broken = case.connector(), Destination()
            streams = await streams_of(connector)
            for page in await all_pages(connector, discover=False):
                if page.lane == lane:
                    broken.load(connector, streams, page)
            await run(case.connector(), broken)
            expect_same(case, broken, whole, f"only lane {lane} was loaded")

    async def test_begun_again_in_place_it_goes_on(self, case: ConnectorCase) -> None:
        """After a Transient error, `extract` is called again on the same instance."""
        await case.fill(case.few)
        whole, _ = await run_fresh(case.connector())
        for pages in range(1, whole.pages):
            connector, broken = case.connector(), Destination()
            streams = await streams_of(connector)
            for stop in (pages, None):
                context = ExtractContext(checkpoint=dict(broken.checkpoint))
                broken.begin_run()
                async with aclosing(pages_of(connector, context)) as walk:
                    async for page in walk:
                        broken.load(connector, streams, page)
                        if broken.pages == stop:
                            break
            expect_same(case, broken, whole, f"begun again after page {pages}")

    async def test_each_page_twice_gives_the_same_rows(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        whole, streams = await run_fresh(case.connector())
        connector, doubled = case.connector(), Destination()
        by_name = await streams_of(connector)
        for page in await all_pages(connector, discover=False):
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
            assert keyed_rows(broken, whole) == keyed_rows(whole, whole), (
                f"killed after page {pages}, resume cleared"
            )

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

    async def test_checkpoint_models_read_back_what_they_wrote(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        connector = case.connector()
        models = {name: getattr(connector, name, None) for name in ("Bookmark", "Resume")}
        for page in await all_pages(connector):
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
