"""The git connector against real repositories and the real git."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from etl_core.connector import ExtractContext, PartitionState
from etl_core.errors import Permanent, Transient
from etl_core.testing.walking import Destination, run
from tests.support.skips import NOT_ROOT
from tests.workers.connectors.repositories import Repo
from workers.connectors.git import GitConnector, program, walk
from workers.connectors.git.config import GitConfig

MAIN = ("commits", "refs/heads/main")


def connector(path: Path | str, *refs: str) -> GitConnector:
    return GitConnector(GitConfig(path=str(path), refs=refs))


async def read(path: Path | str, into: Destination | None = None, *refs: str) -> Destination:
    loaded = into or Destination()
    await run(connector(path, *refs), loaded)
    return loaded


def shas(loaded: Destination) -> set[str]:
    return {str(row["sha"]) for row in loaded.rows.get("commits", {}).values()}


def files_of(loaded: Destination, sha: str) -> dict[str, Any]:
    return {row["path"]: row for row in loaded.rows["commit_files"].values() if row["sha"] == sha}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "repo")


async def test_what_a_commit_says(repo: Repo) -> None:
    first = repo.commit("Subject\n\nBody, first line\n\nsecond\n", a="one\ntwo\n")
    second = repo.commit("", a="one\n", b="x\n")
    loaded = await read(repo.path)
    row = loaded.rows["commits"][first,]
    assert row == {
        "sha": first,
        "tree": repo.head(f"{first}^{{tree}}"),
        "parents": [],
        "is_merge": False,
        "author_name": "Ada",
        "author_email": "ada@example.org",
        "authored_at": "2023-11-14T22:16:20+00:00",
        "committer_name": "Ada",
        "committer_email": "ada@example.org",
        "committed_at": "2023-11-14T22:16:20+00:00",
        "subject": "Subject",
        "body": "Body, first line\n\nsecond",
    }
    assert loaded.rows["commits"][second,]["parents"] == [first]
    assert loaded.rows["commits"][second,]["subject"] == ""
    assert loaded.rows["commits"][second,]["body"] is None
    assert {
        path: (f["status"], f["additions"], f["deletions"]) for path, f in files_of(loaded, second).items()
    } == {
        "a": ("M", 0, 1),
        "b": ("A", 1, 0),
    }
    assert loaded.rows["authors"] == {
        ("ada@example.org", "Ada"): {"email": "ada@example.org", "name": "Ada", "domain": "example.org"}
    }


async def test_renames_binaries_deletions_and_merges(repo: Repo) -> None:
    repo.commit("base", text="a\nb\nc\n", gone="x\n")
    (repo.path / "binary").write_bytes(b"\0\1\2")
    repo.commit("binary")
    repo.git("mv", "text", "moved")
    (repo.path / "gone").unlink()
    moved = repo.commit("move")
    repo.git("checkout", "--quiet", "-b", "side", "HEAD~1")
    repo.commit("side", other="o\n")
    repo.git("checkout", "--quiet", "main")
    repo.git("merge", "--quiet", "--no-edit", "side")
    loaded = await read(repo.path)
    files = files_of(loaded, moved)
    assert files["moved"] | {"sha": ""} == {
        "sha": "",
        "path": "moved",
        "status": "R",
        "additions": 0,
        "deletions": 0,
        "old_path": "text",
    }
    assert files["gone"]["status"] == "D"
    binary = next(row for row in loaded.rows["commit_files"].values() if row["path"] == "binary")
    assert binary["additions"] is binary["deletions"] is None
    merge = loaded.rows["commits"][repo.head(),]
    assert merge["is_merge"]
    assert len(merge["parents"]) == 2
    assert not files_of(loaded, merge["sha"])


async def test_odd_bytes_anywhere(repo: Repo) -> None:
    odd = os.fsdecode(os.fsencode(repo.path) + b"/caf\xe9\n\ttab \xe2\x9c\x93")
    Path(odd).write_text("x\n")
    repo.git("add", "--all")
    who = b"author Jos\xe9 <jos\xe9@x> 1600000000 +0000\ncommitter  <> 99999999999999 +0000\n"
    tree = repo.git("write-tree").encode()
    raw = b"tree " + tree + b"\n" + who + b"\ncommit deadbeef \xff :100644 1\t2\tx\n\nbody \xfe\n"
    sha = repo.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", given=raw)
    repo.git("update-ref", "refs/heads/main", sha)
    repo.git("update-ref", os.fsdecode(b"refs/heads/branch-\xe9"), sha)
    loaded = await read(repo.path)
    row = loaded.rows["commits"][sha,]
    assert row["author_name"] == "Jos\\xe9"
    assert row["committer_name"] == ""
    assert row["committed_at"] is None
    assert row["subject"] == "commit deadbeef \\xff :100644 1\t2\tx"
    assert row["body"] == "body \\xfe"
    assert set(files_of(loaded, sha)) == {"caf\\xe9\n\ttab ✓"}
    assert ("commits", "refs/heads/branch-\\xe9") in loaded.checkpoint
    await read(repo.path, loaded)
    assert loaded.pages == 0


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


async def test_a_commit_of_many_files_is_spread_over_pages(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "PAGE_ROWS", 10)
    repo.commit_many(3, files_each=50)
    loaded = await read(repo.path)
    assert len(loaded.rows["commit_files"]) == 150
    assert loaded.pages > 6
    for pages in range(1, loaded.pages):
        broken = Destination()
        await run(connector(repo.path), broken, stop_after=pages)
        await read(repo.path, broken)
        assert broken.rows == loaded.rows


async def test_empty_bare_and_detached(repo: Repo, tmp_path: Path) -> None:
    assert (await read(repo.path)).pages == 0
    assert (await read(repo.path, None, "main")).pages == 0
    head = repo.commit("one", a="1")
    repo.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    assert shas(await read(tmp_path / "bare.git")) == {head}
    repo.git("checkout", "--quiet", "--detach")
    repo.git("branch", "-D", "main")
    detached = await read(repo.path)
    assert shas(detached) == {head}
    assert set(detached.checkpoint) == {("commits", "HEAD")}


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


async def test_what_is_no_repository(repo: Repo, tmp_path: Path) -> None:
    with pytest.raises(Transient, match=r"no folder at .*/nowhere: check") as raised:
        await connector(tmp_path / "nowhere").check()
    assert not raised.value.retry_in_place
    with pytest.raises(Permanent, match=f"^{tmp_path} is no git repository; give the folder"):
        await connector(tmp_path).check()
    (tmp_path / "file").touch()
    with pytest.raises(Permanent, match="is a file; give the folder"):
        await connector(tmp_path / "file").check()
    (repo.path / "sub").mkdir()
    with pytest.raises(Permanent, match="is no git repository but a folder inside one"):
        await connector(repo.path / "sub").check()
    for wrong in ({"path": "here"}, {"path": "/x", "refs": ["--all"]}, {"path": "/x", "refs": ["a b"]}):
        with pytest.raises(ValidationError):
            GitConfig.model_validate(wrong)


async def test_check_names_refs_and_tells_of_a_shallow_clone(repo: Repo, tmp_path: Path) -> None:
    assert [finding.state for finding in await connector(repo.path).check()] == ["ok", "unknown"]
    repo.commit_many(3)
    repo.git("clone", "--quiet", "--depth=1", f"file://{repo.path}", str(tmp_path / "shallow"))
    repository, refs, history = await connector(tmp_path / "shallow").check()
    assert (repository.state, refs.state, history.state) == ("ok", "ok", "missing")
    assert refs.detail == "1: main"
    assert "--unshallow" in history.remedy


async def test_without_the_git_program(repo: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Permanent, match="the git program is not installed where this worker runs"):
        await connector(repo.path).check()


async def test_a_broken_repository(repo: Repo) -> None:
    repo.commit("one", a="1")
    first = repo.head()
    repo.commit("two", a="2")
    (repo.path / ".git" / "objects" / first[:2] / first[2:]).unlink()
    with pytest.raises(Permanent, match=r"git cannot read its history \(.+\); `git fsck`"):
        await read(repo.path)


async def test_neither_environment_nor_configuration_changes_what_is_read(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit("one", text="a\nb\nc\n")
    repo.git("mv", "text", "moved")
    repo.commit("two")
    expected = await read(repo.path)
    ran = tmp_path / "ran"
    spy = tmp_path / "spy"
    spy.write_text(f"#!/bin/sh\ntouch {ran}\n")
    spy.chmod(0o755)
    for name, value in (
        ("log.showSignature", "true"),
        ("log.showRoot", "false"),
        ("color.ui", "always"),
        ("diff.external", str(spy)),
        ("core.pager", str(spy)),
        ("core.fsmonitor", str(spy)),
        ("gpg.program", str(spy)),
        ("diff.renames", "false"),
        ("diff.noprefix", "true"),
        ("format.pretty", "oneline"),
        ("i18n.logOutputEncoding", "utf-16"),
    ):
        repo.git("config", name, value)
    other = Repo(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(spy))
    assert (await read(repo.path)).rows == expected.rows
    assert not ran.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason=NOT_ROOT + ": only root can give files away")
async def test_a_folder_of_another_user(repo: Repo) -> None:
    repo.commit("one", a="1")
    for path in (repo.path, *repo.path.rglob("*")):
        shutil.chown(path, 65_534)
    assert len(shas(await read(repo.path))) == 1


async def test_cancelled_it_leaves_no_process(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "PAGE_ROWS", 20)
    repo.commit_many(2_000)
    made = connector(repo.path)
    first = asyncio.Event()
    started: list[asyncio.subprocess.Process] = []
    start = asyncio.create_subprocess_exec

    async def start_and_note(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await start(*arguments, **options)
        started.append(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_and_note)

    async def work() -> None:
        async with aclosing(cast("Any", made.extract(ExtractContext()))) as pages:
            async for _ in pages:
                first.set()
                await asyncio.sleep(3_600)

    working = asyncio.create_task(work())
    await first.wait()
    assert [process.returncode for process in started][-1] is None, "git waits for its pipe to be read"
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert [process.returncode for process in started][-1] == -signal.SIGKILL
    for process in started:
        # A zombie would still answer.
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)


async def test_a_program_that_floods_stderr_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More complaints than a pipe holds: read meanwhile, or both would wait for ever."""
    fake = tmp_path / "git"
    fake.write_text(
        "#!/bin/sh\ni=0\nwhile [ $i -lt 3000 ]; do\n"
        "echo 'warning: a line of one hundred characters or so, to fill up the pipe, which holds 64 KB' >&2\n"
        "i=$((i+1))\ndone\necho out\necho 'fatal: gone wrong' >&2\nexit 128\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(program.GitFailed, match=r"^gone wrong$"):
        await program.Git(str(tmp_path)).ask("log", given=b"x" * 1_000_000)


async def test_a_long_history_takes_little_memory(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are let go: ten times the commits, the same peak."""
    import tracemalloc

    monkeypatch.setattr(walk, "PAGE_ROWS", 100)
    repo.commit_many(150, branch="short")
    repo.commit_many(1_500, branch="long")

    async def peak(branch: str) -> int:
        made = connector(repo.path, branch)
        tracemalloc.start()
        count = 0
        async for page in made.extract(ExtractContext()):
            count += len(page.records.get("commits", ()))
        measured = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == (150 if branch == "short" else 1_500)
        return measured

    await peak("short")
    assert await peak("long") < 2 * await peak("short") + 500_000
