"""Many files in one stream: which of them, by what name, how much of them the checkpoint remembers."""

from __future__ import annotations

import glob
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from etl_core.connector import ExtractContext
from etl_core.errors import Permanent, Transient
from etl_core.testing.walking import Destination, run
from tests.workers.connectors.files.delivering import connector, deliver, read, table
from workers.connectors.files import ledger, pages, plan, survey
from workers.connectors.files.checkpoint import LedgerBookmark
from workers.connectors.files.config import FilesConfig
from workers.connectors.files.places.files import Selection
from workers.connectors.files.places.local import find_local
from workers.connectors.files.places.patterns import matches


def fill(folder: Path, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        deliver(folder / f"f{number:03}.csv", f"id,v\n{number},x\n")


async def names(path: Any, **config: Any) -> list[str]:
    loaded = await read(path, stream="s", format="csv", **config)
    return sorted(row["_file"] for row in table(loaded, "s"))


async def test_many_patterns_and_what_is_excluded(tmp_path: Path) -> None:
    for folder in ("in", "in/old", "more"):
        (tmp_path / folder).mkdir()
        for name in ("a.csv", "b.csv"):
            deliver(tmp_path / folder / name, f"id\n{len(folder)}\n")
    both = [f"{tmp_path}/in/**/*.csv", f"{tmp_path}/more/a.csv"]
    assert await names(both) == ["in/a.csv", "in/b.csv", "in/old/a.csv", "in/old/b.csv", "more/a.csv"]
    assert await names(both, exclude=["in/old/*", "b.csv"]) == ["in/a.csv", "more/a.csv"]
    assert await names([f"{tmp_path}/more/a.csv", f"{tmp_path}/more/none.csv"]) == ["a.csv"]
    with pytest.raises(ValidationError, match="one place"):
        FilesConfig.model_validate({"path": ["/a/*.csv", "s3://b/*.csv"]})


PART = st.sampled_from(["a", "b.csv", ".c", "*", "?.csv", "**", "[ab].csv", "[!a]*", "a*"])


@given(pattern=st.lists(PART, min_size=1, max_size=3).map("/".join))
@settings(suppress_health_check=list(HealthCheck), max_examples=80, deadline=None)
def test_patterns_mean_what_they_mean_to_a_shell(
    tmp_path_factory: pytest.TempPathFactory, pattern: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "shell"
    paths = [f"{head}{tail}" for head in ("", "a/", "a/b/", ".c/") for tail in ("a", "b.csv", ".c", "x.csv")]
    kept = [path for path in paths if path not in ("a", ".c", "a/a") and path != "a/b"]
    if not folder.exists():
        for path in kept:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text("x")
    found = glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207
    files = {path for path in found if (folder / path).is_file() and not path.endswith("/")}
    assert {path for path in kept if matches(path, pattern)} == files


async def test_the_files_name_is_a_column_and_clashes_with_none(tmp_path: Path) -> None:
    deliver(tmp_path / "a.csv", "id,_file\n1,mine\n")
    with pytest.raises(Permanent, match=r"has a column '_file' itself; name another"):
        await read(tmp_path / "*.csv", stream="s")
    loaded = await read(tmp_path / "*.csv", stream="s", file_column="source", key=["source", "id"])
    assert table(loaded, "s") == [{"id": 1, "_file": "mine", "source": "a.csv"}]
    loaded = await read(tmp_path / "*.csv", stream="s", file_column=None)
    assert table(loaded, "s") == [{"id": 1, "_file": "mine"}]
    loaded = await read(tmp_path / "a.csv", file_column="source")
    assert table(loaded, "a")[0]["source"] == "a.csv"


async def test_what_is_still_written_is_left_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("done", "locked", "growing"):
        deliver(tmp_path / f"{name}.csv", f"id\n{len(name)}\n")
    for name in ("x.csv.part", "y.tmp", "~$z.csv", "locked.csv.lock"):
        deliver(tmp_path / name, "id\n9\n")
    os.utime(tmp_path / "growing.csv")
    everything = f"{tmp_path}/*[cpt]*"
    loaded = await read(everything, stream="s", format="csv", min_age_s=60, exclude=["*.lock"])
    assert [row["_file"] for row in table(loaded, "s")] == ["done.csv"]
    found = await connector(everything, stream="s", format="csv", min_age_s=60, exclude=["*.lock"]).check()
    told = found[1].detail
    assert "growing.csv (changed less than 60 s ago)" in told
    assert "unfinished by its name" in told
    (tmp_path / "locked.csv.lock").unlink()
    deliver(tmp_path / "growing.csv", "id\n7\n8\n")
    await read(everything, loaded, stream="s", format="csv", min_age_s=60)
    assert sorted(row["id"] for row in table(loaded, "s")) == [4, 6, 7, 8]


async def test_a_young_file_is_looked_at_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default it is 2 seconds: so long is waited, and only what grew meanwhile is left."""
    (tmp_path / "a.csv").write_text("id\n1\n")
    (tmp_path / "b.csv").write_text("id\n2\n")
    slept: list[float] = []

    async def grow(seconds: float) -> None:
        slept.append(seconds)
        with (tmp_path / "b.csv").open("a") as file:
            file.write("3\n")

    monkeypatch.setattr("asyncio.sleep", grow)
    loaded = await read(tmp_path / "*.csv", stream="s", min_age_s=2)
    assert [row["_file"] for row in table(loaded, "s")] == ["a.csv"]
    assert len(slept) == 1
    assert 0 < slept[0] <= 2


async def test_all_of_it_is_still_written(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    with pytest.raises(Transient, match=r"left for the next run: a.csv \(changed less than 60 s ago\)"):
        await read(tmp_path / "*.csv", stream="s", min_age_s=60)
    (tmp_path / "a.csv").rename(tmp_path / "a.csv.part")
    with pytest.raises(Transient, match=r"1 files are unfinished by their names \(such as a.csv.part\)"):
        await read(tmp_path / "*", stream="s", format="csv")


@pytest.fixture
def _few_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "MOST_OWN", 3)
    monkeypatch.setattr(ledger, "MOST_RECENT", 4)
    monkeypatch.setattr(plan, "LOT_FILES", 5)


@pytest.mark.usefixtures("_few_own")
async def test_the_checkpoint_of_very_many_files_is_small(tmp_path: Path) -> None:
    fill(tmp_path, 40)
    loaded = await read(tmp_path / "*.csv", stream="s", key=["id"])
    assert len(loaded.rows["s"]) == 40
    assert len(loaded.checkpoint) == 3 + 2
    weight = len(json.dumps([state.bookmark for state in loaded.checkpoint.values()]))
    assert weight < 3 * 300 + 37 * 25 + 400
    await read(tmp_path / "*.csv", loaded, stream="s", key=["id"])
    assert loaded.pages == 0
    # A new one, a changed one, a touched one, and one that is gone and comes back.
    fill(tmp_path, 1, first=40)
    deliver(tmp_path / "f030.csv", "id,v\n30,changed\n", age_s=60)
    os.utime(tmp_path / "f031.csv", (1_000_000_000, 1_000_000_000))
    (tmp_path / "f032.csv").unlink()
    await read(tmp_path / "*.csv", loaded, stream="s", key=["id"])
    assert loaded.records == 2
    assert loaded.rows["s"][(30,)]["v"] == "changed"
    await read(tmp_path / "*.csv", loaded, stream="s", key=["id"])
    assert loaded.pages == 0
    fill(tmp_path, 7, first=41)
    await read(tmp_path / "*.csv", loaded, stream="s", key=["id"])
    files = loaded.checkpoint["s", ledger.LEDGER].bookmark
    assert files is not None
    assert files["files"] <= 45, "what is gone is forgotten when the ledger is written"


@pytest.mark.usefixtures("_few_own")
async def test_killed_among_very_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_RECORDS", 2)
    for number in range(12):
        deliver(tmp_path / f"f{number:02}.csv", "id\n" + "".join(f"{number * 10 + n}\n" for n in range(5)))
    whole = await read(tmp_path / "*.csv", stream="s")
    broken = Destination()
    for stop in range(1, 5):
        await run(connector(tmp_path / "*.csv", stream="s"), broken, stop_after=stop * 3 - 1)
    await read(tmp_path / "*.csv", broken, stream="s")
    ids = sorted(row["id"] for row in table(broken, "s"))
    assert ids == sorted(row["id"] for row in table(whole, "s")), "append only: each row once"
    assert broken.checkpoint.keys() == whole.checkpoint.keys()


@pytest.mark.usefixtures("_few_own")
async def test_a_late_file_that_does_not_fit_waits_for_the_next_attempt(tmp_path: Path) -> None:
    fill(tmp_path, 12)
    deliver(tmp_path / "f999.csv", "id,v,new\nword,x,y\n")
    loaded = Destination()
    with pytest.raises(Transient, match=r"f999.csv came late among very many files: its column 'id'"):
        await run(connector(tmp_path / "*.csv", stream="s"), loaded)
    assert len(table(loaded, "s")) >= 10
    await read(tmp_path / "*.csv", loaded, stream="s")
    assert len(table(loaded, "s")) == 13


async def test_too_many_and_an_edited_ledger_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 3)
    monkeypatch.setattr(survey, "MOST_FILES", 2)
    with pytest.raises(Permanent, match="3 files, and an integration keeps book of 2"):
        await read(tmp_path / "*.csv", stream="s")
    config = FilesConfig(path=f"{tmp_path}/*.csv", stream="s")
    wrong = LedgerBookmark(files=2, entries="AAAA", read_as=config.read_as(), columns={})
    with pytest.raises(Permanent, match="ledger: entries cannot be read"):
        ledger.Ledger(wrong, None, config.read_as(), lambda one, other: one)


async def test_rows_of_vanished_files_go_with_them_if_wished(tmp_path: Path) -> None:
    fill(tmp_path, 4)
    config: dict[str, Any] = {"stream": "s", "key": ["id"], "vanished": "delete"}
    loaded = await read(tmp_path / "*.csv", **config)
    assert sorted(row["file"] for row in table(loaded, "s_files")) == [f"f{n:03}.csv" for n in range(4)]
    (tmp_path / "f002.csv").unlink()
    await read(tmp_path / "*.csv", loaded, **config)
    assert sorted(row["id"] for row in table(loaded, "s")) == [0, 1, 3]
    fill(tmp_path, 1, first=2)
    await read(tmp_path / "*.csv", loaded, **config)
    assert sorted(row["id"] for row in table(loaded, "s")) == [0, 1, 2, 3]
    with pytest.raises(ValidationError, match="only with a key and a file_column"):
        FilesConfig.model_validate({"path": "/a/*.csv", "vanished": "delete"})


def test_one_listing_answers_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thousands of files nothing is asked but what the listing says."""
    fill(tmp_path, 5)
    found = find_local(Selection([f"{tmp_path}/*.csv"]))
    assert [file.version.size for file in found.files] == [9] * 5
    assert ExtractContext().checkpoint == {}
