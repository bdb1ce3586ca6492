"""What is new since the last run, however history was moved, rewritten or cut meanwhile."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from etl_core.connector import PartitionState
from etl_core.errors import Permanent
from etl_core.testing.walking import Destination, run
from tests.workers.connectors.git.reading import MAIN, connector, read, shas
from tests.workers.connectors.repositories import Repo
from workers.connectors.git import walk


async def test_only_what_is_new(repo: Repo) -> None:
    repo.commit("one", a="1")
    loaded = await read(repo.path)
    await read(repo.path, loaded)
    assert loaded.pages == 0
    second = repo.commit("two", a="2")
    await read(repo.path, loaded)
    assert loaded.records == 3, "a commit, its file, its author"
    assert second in shas(loaded)


async def test_a_commit_of_two_refs_is_yielded_once(repo: Repo) -> None:
    repo.commit("one", a="1")
    repo.git("branch", "other")
    loaded = await read(repo.path)
    assert loaded.records == 3
    assert len(loaded.checkpoint) == 2
    repo.commit("two", a="2")
    repo.git("branch", "--force", "other")
    await read(repo.path, loaded)
    assert loaded.records == 3
    await read(repo.path, loaded)
    assert loaded.pages == 0


async def test_deleted_refs_are_dropped_and_their_commits_stay_known(repo: Repo) -> None:
    repo.commit("one", a="1")
    repo.git("checkout", "--quiet", "-b", "side")
    repo.commit("side", s="1")
    repo.git("checkout", "--quiet", "main")
    repo.commit("two", a="2")
    loaded = await read(repo.path)
    repo.git("merge", "--quiet", "--no-edit", "side")
    repo.git("branch", "-D", "side")
    await read(repo.path, loaded)
    assert loaded.records == 2, "the merge and its author; the side's commit was known"
    assert loaded.checkpoint["commits", "refs/heads/side"] == PartitionState(None, None)
    await read(repo.path, loaded)
    assert loaded.pages == 0


async def test_rewritten_history(repo: Repo) -> None:
    base = repo.commit("base", a="1")
    repo.commit("old", a="2")
    loaded = await read(repo.path)
    repo.git("reset", "--quiet", "--hard", base)
    new = repo.commit("new", a="3")
    await read(repo.path, loaded)
    assert new in shas(loaded)
    assert loaded.records == 3


async def test_rewritten_and_collected_as_garbage(repo: Repo) -> None:
    base = repo.commit("base", a="1")
    old = repo.commit("old", a="2")
    loaded = await read(repo.path)
    repo.git("reset", "--quiet", "--hard", base)
    new = repo.commit("new", a="3")
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "--quiet", "--prune=now")
    with pytest.raises(subprocess.CalledProcessError):
        repo.git("cat-file", "-e", old)
    await read(repo.path, loaded)
    assert loaded.records == 5, "a walk in full: two commits, two files, one author"
    assert shas(loaded) == {base, old, new}
    assert loaded.checkpoint[MAIN].bookmark == {"sha": new, "shallow": None}


async def test_new_commits_while_a_walk_is_broken_off(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "PAGE_ROWS", 4)
    for number in range(8):
        repo.commit(f"{number}", a=str(number))
    loaded = Destination()
    await run(connector(repo.path), loaded, stop_after=2)
    later = repo.commit("later", a="x")
    await read(repo.path, loaded)
    assert len(shas(loaded)) == 9
    assert later in shas(loaded)
    assert loaded.checkpoint[MAIN] == PartitionState({"sha": later, "shallow": None}, None)


@pytest.mark.parametrize("lost", ["commit", "tip"])
async def test_a_resume_that_fits_no_more_begins_again(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    monkeypatch.setattr(walk, "PAGE_ROWS", 4)
    for number in range(8):
        repo.commit(f"{number}", a=str(number))
    loaded = Destination()
    await run(connector(repo.path), loaded, stop_after=2)
    state = loaded.checkpoint[MAIN]
    edited = {**(state.resume or {}), ("sha" if lost == "commit" else "tip"): "0" * 40}
    loaded = Destination(checkpoint={MAIN: PartitionState(state.bookmark, edited)})
    await read(repo.path, loaded)
    assert len(shas(loaded)) == 8
    assert loaded.checkpoint[MAIN].resume is None


async def test_a_shallow_clone_that_is_deepened(repo: Repo, tmp_path: Path) -> None:
    for number in range(5):
        repo.commit(f"{number}", a=str(number))
    clone = tmp_path / "clone"
    repo.git("clone", "--quiet", "--depth=2", f"file://{repo.path}", str(clone))
    loaded = await read(clone)
    assert len(shas(loaded)) == 2
    await read(clone, loaded)
    assert loaded.pages == 0
    repo.git("-C", str(clone), "fetch", "--quiet", "--unshallow")
    await read(clone, loaded)
    assert len(shas(loaded)) == 5


async def test_chosen_refs(repo: Repo) -> None:
    repo.commit("one", a="1")
    repo.git("tag", "-a", "-m", "annotated", "v1")
    repo.git("checkout", "--quiet", "-b", "feature/x")
    feature = repo.commit("feature", f="1")
    repo.git("tag", "blob", repo.git("hash-object", "-w", "a"))
    assert feature not in shas(await read(repo.path, None, "main"))
    assert feature in shas(await read(repo.path, None, "feature/*"))
    tagged = await read(repo.path, None, "refs/tags/*")
    assert set(tagged.checkpoint) == {("commits", "refs/tags/v1")}
    with pytest.raises(
        Permanent, match="no branch or tag 'nope'; it has refs/heads/feature/x, refs/heads/main"
    ):
        await read(repo.path, None, "nope")
