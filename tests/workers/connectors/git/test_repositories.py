"""Kinds of repositories, and what is none or cannot be read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from etl_core.errors import Permanent, Transient
from tests.support.skips import NOT_ROOT
from tests.workers.connectors.git.reading import connector, read, shas
from tests.workers.connectors.repositories import Repo
from workers.connectors.git.config import GitConfig


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
