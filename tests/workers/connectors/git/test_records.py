"""What commits, files and authors the git connector reads from a real repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from etl_core.testing.walking import Destination, run
from tests.workers.connectors.git.reading import connector, files_of, read
from tests.workers.connectors.repositories import Repo
from workers.connectors.git import walk


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
