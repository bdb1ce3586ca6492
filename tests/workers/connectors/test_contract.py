"""What every connector must do, whatever it connects to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from etl_core.connector import Connector, ExtractContext
from etl_core.connectors_registry import find_connector
from etl_core.errors import Permanent
from tests.workers.connectors.repositories import Repo
from tests.workers.connectors.walking import Destination, run, run_fresh
from workers.connectors.files import pages as file_pages
from workers.connectors.git import walk as git_walk

Make = Callable[[], Connector]
TYPES = ("synthetic", "files", "git")


def make_config(integration_type: str, folder: Path) -> dict[str, Any]:
    match integration_type:
        case "synthetic":
            return {"records": 23, "page_size": 4, "streams": 2, "partitions": 3}
        case "files":
            for name in ("a", "b"):
                rows = "".join(f'{name}{n},"line one\nline two {n}",{n}\n' for n in range(11))
                (folder / f"{name}.csv").write_text("id,text,n\n" + rows)
            return {"path": f"{folder}/*.csv", "stream": "notes", "key": ["id"]}
        case "git":
            repo = Repo(folder / "repo")
            for number in range(6):
                repo.commit(f"main {number}", **{f"f{number}": "x", "all": str(number)})
            repo.git("checkout", "--quiet", "-b", "side", "HEAD~3")
            for number in range(4):
                repo.commit(f"side {number}", **{f"s{number}": "x"})
            repo.git("checkout", "--quiet", "main")
            repo.git("merge", "--quiet", "--no-edit", "side")
            return {"path": str(repo.path)}
    raise AssertionError(integration_type)


@pytest.fixture(params=TYPES)
def make(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes the connector anew, as another worker would; small pages, so that there are many."""
    monkeypatch.setattr(file_pages, "PAGE_RECORDS", 3)
    monkeypatch.setattr(git_walk, "PAGE_ROWS", 4)
    config = make_config(request.param, tmp_path)

    def construct() -> Connector:
        kind = find_connector(request.param)
        return kind(kind.Config.model_validate(config))

    return construct


async def test_is_a_connector_of_its_type(make: Make) -> None:
    connector = make()
    assert isinstance(connector, Connector)
    assert find_connector(connector.type) is type(connector)


async def test_check_tells_in_lines_what_may_be_read(make: Make) -> None:
    found = await make().check()
    assert found
    assert {finding.state for finding in found} == {"ok"}
    assert all(finding.detail and "\n" not in finding.detail + finding.remedy for finding in found)


async def test_a_typo_in_the_configuration_is_named(make: Make) -> None:
    with pytest.raises(ValidationError, match="pathh"):
        make().Config.model_validate({"pathh": "/x"})


async def test_records_belong_to_the_streams_discovered(make: Make) -> None:
    loaded, streams = await run_fresh(make())
    assert loaded.pages > 3
    for stream in streams:
        names = {column.name for column in stream.columns}
        for row in loaded.rows[stream.name].values():
            assert set(row) <= names
            assert all(row[key] is not None for key in stream.key)


async def test_killed_after_any_page_and_resumed_gives_the_same(make: Make) -> None:
    whole, _ = await run_fresh(make())
    for pages in range(whole.pages):
        broken = Destination()
        await run(make(), broken, stop_after=pages)
        await run(make(), broken)
        assert broken.rows == whole.rows, f"killed after page {pages}"
        assert broken.checkpoint == whole.checkpoint, f"killed after page {pages}"


async def test_killed_after_every_page_comes_to_an_end(make: Make) -> None:
    whole, _ = await run_fresh(make())
    broken = Destination()
    for _ in range(whole.pages + 3):
        await run(make(), broken, stop_after=1)
    assert broken.rows == whole.rows
    assert broken.checkpoint == whole.checkpoint


async def test_no_bookmark_moves_before_its_walk_is_complete(make: Make) -> None:
    """A bookmark after k pages promises what it covers: clearing all resumes there must lose nothing."""
    whole, _ = await run_fresh(make())
    for pages in range(1, whole.pages):
        broken = Destination()
        await run(make(), broken, stop_after=pages)
        for place, state in broken.checkpoint.items():
            broken.checkpoint[place] = type(state)(state.bookmark, None)
        await run(make(), broken)
        assert broken.rows == whole.rows, f"killed after page {pages}, resume cleared"


async def test_a_second_run_finds_nothing_new(make: Make) -> None:
    loaded, _ = await run_fresh(make())
    before = dict(loaded.checkpoint)
    await run(make(), loaded)
    assert loaded.records == 0
    assert loaded.pages <= 1
    assert all(state.resume is None for state in loaded.checkpoint.values())
    assert set(before) == set(loaded.checkpoint)


async def test_pages_of_one_partition_share_a_lane(make: Make) -> None:
    context = ExtractContext()
    connector = make()
    await connector.discover(context)
    lanes: dict[tuple[str, str], set[str]] = {}
    async for page in connector.extract(context):
        for fragment in page.checkpoint:
            lanes.setdefault((fragment.stream, fragment.partition), set()).add(page.lane)
    assert all(len(found) == 1 for found in lanes.values())


async def test_an_edited_checkpoint_that_cannot_be_read_is_told(make: Make) -> None:
    loaded, _ = await run_fresh(make())
    place, state = next(iter(loaded.checkpoint.items()))
    loaded.checkpoint[place] = type(state)({"nonsense": 1}, None)
    with pytest.raises(Permanent, match=f"{place[0]}.*bookmark.*nonsense.*clear"):
        await run(make(), loaded)


async def test_cancelled_in_mid_walk_it_ends_and_can_go_on(make: Make) -> None:
    whole, _ = await run_fresh(make())
    broken = Destination()
    context = ExtractContext()
    reached = asyncio.Event()

    async def work() -> None:
        connector = make()
        streams = {stream.name: stream for stream in await connector.discover(context)}
        async with aclosing(cast("Any", connector.extract(context))) as pages:
            async for page in pages:
                broken.load(connector, streams, page)
                reached.set()
                await asyncio.sleep(0)

    task = asyncio.create_task(work())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await run(make(), broken)
    assert broken.rows == whole.rows
