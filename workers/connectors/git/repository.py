"""A repository before its history is walked: is it one, which refs has it, which commits are there."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from etl_core.errors import Permanent, Transient
from workers.connectors.git.program import Git, GitFailed

_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository as it stood when it was opened."""

    git: Git
    refs: dict[str, str]
    """Name of the ref (valid text) -> sha of its commit; the one that HEAD means comes first."""
    shallow: str | None
    """A digest of where a shallow clone's history is cut off; None for a whole one."""


async def open_repository(path: str, wanted: Sequence[str]) -> Repository:
    """Opens a repository; one without commits has no refs.

    Raises:
        Transient: there is no such folder yet.
        Permanent: it is no repository, it may not be read, or a wanted ref is not there.
    """
    await asyncio.to_thread(_expect_folder, path)
    git = Git(path)
    try:
        facts = (
            await git.ask("rev-parse", "--is-shallow-repository", "--git-path", "shallow", "--show-prefix")
        ).split(b"\n")
    except GitFailed as failure:
        raise Permanent(_why_no_repository(path, str(failure))) from None
    if len(facts) > 2 and facts[2]:
        raise Permanent(
            f"{path} is no git repository but a folder inside one; give the repository's own folder"
        )
    shallow = None
    if facts[0] == b"true":
        shallow = await asyncio.to_thread(_digest, Path(path) / os.fsdecode(facts[1]))
    try:
        refs = await _find_refs(git, path, wanted)
    except GitFailed as failure:
        raise Permanent(
            f"{path}: git cannot list its refs ({failure}); `git fsck` there tells more"
        ) from None
    return Repository(git, refs, shallow)


async def existing_commits(git: Git, names: Iterable[str]) -> dict[str, str]:
    """Name -> sha of those names (shas or full refs) that mean a commit which is there."""
    asked = list(dict.fromkeys(names))
    if not asked:
        return {}
    lines = "".join(f"{name}^{{commit}}\n" for name in asked).encode("utf-8", "surrogateescape")
    answer = await git.ask("cat-file", "--batch-check=%(objecttype) %(objectname)", given=lines)
    found = {}
    for name, line in zip(asked, answer.split(b"\n"), strict=False):
        kind, _, sha = line.partition(b" ")
        if kind == b"commit":
            found[name] = sha.decode("ascii")
    return found


def _expect_folder(path: str) -> None:
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise Transient(
            f"no folder at {path}: check the integration's path, or wait until it is there",
            retry_in_place=False,
        ) from None
    except OSError as error:
        raise Permanent(f"{path} cannot be looked at by user id {os.geteuid()}: {error.strerror}") from None
    if not stat.S_ISDIR(mode):
        raise Permanent(f"{path} is a file; give the folder of a git repository")
    if not os.access(path, os.R_OK | os.X_OK):
        raise Permanent(f"{path} may not be read by user id {os.geteuid()}; mend its permissions")


def _why_no_repository(path: str, failure: str) -> str:
    if "dubious ownership" in failure:
        return (
            f"{path} belongs to somebody else, and this git is too old to be told that it is safe; update git"
        )
    if "not a git repository" in failure:
        return f"{path} is no git repository; give the folder that holds .git, or a bare repository"
    return f"{path}: git cannot open it ({failure})"


def _digest(boundary: Path) -> str:
    return hashlib.blake2b(boundary.read_bytes(), digest_size=8).hexdigest()


async def _find_refs(git: Git, path: str, wanted: Sequence[str]) -> dict[str, str]:
    present = await _list_refs(git, [])
    if wanted:
        names = [name for ref in wanted for name in await _expand(git, path, ref, present)]
    else:
        names = [name for name in present if name.startswith("refs/heads/")] or ["HEAD"]
    head = (await _ask_or_nothing(git, "symbolic-ref", "--quiet", "HEAD")).strip()
    names.sort(key=lambda name: (os.fsencode(name) != head, name))
    commits = await existing_commits(git, names)
    return {_printable(name): sha for name, sha in commits.items()}


async def _list_refs(git: Git, patterns: Sequence[str]) -> list[str]:
    """Full names, as Python keeps undecodable ones."""
    answer = await git.ask("for-each-ref", "--format=%(refname)", *patterns)
    return [os.fsdecode(line) for line in answer.split(b"\n") if line]


async def _expand(git: Git, path: str, ref: str, present: Sequence[str]) -> list[str]:
    """The full names that a configured ref means. A pattern may match nothing, a name may not."""
    if ref == "HEAD":
        return ["HEAD"]
    is_pattern = bool(_GLOB & set(ref))
    candidates = (
        [ref] if ref.startswith("refs/") else [f"refs/{kind}/{ref}" for kind in ("heads", "remotes", "tags")]
    )
    for candidate in candidates:
        if is_pattern:
            if matches := await _list_refs(git, [candidate]):
                return matches
        elif candidate in present:
            return [candidate]
    # Without any ref the repository has no commit yet, and nothing to find is no mistake.
    if is_pattern or not present:
        return []
    there = ", ".join(_printable(name) for name in present[:10])
    raise Permanent(
        f"{path} has no branch or tag {ref!r}; it has {there}{', ...' if len(present) > 10 else ''}"
    )


async def _ask_or_nothing(git: Git, *arguments: str) -> bytes:
    try:
        return await git.ask(*arguments)
    except GitFailed:
        return b""


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")
