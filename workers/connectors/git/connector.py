"""The git connector: commits, their files and their authors, ref by ref.

Everything is one lane, for refs share commits and authors. A commit that several refs can reach is yielded
once: what the bookmarks reach is left out of every walk. That holds after a rewritten history as well, while
the old commit is still there to be left out; if it was collected as garbage, the ref is walked in full.
"""

from __future__ import annotations

import builtins
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing
from typing import ClassVar

from pydantic import BaseModel

from etl_core.connector import ExtractContext, Finding, Fragment, Page, Record, Stream
from etl_core.errors import Permanent
from etl_core.stored_state import read_state
from workers.connectors.git.checkpoint import Bookmark, Resume
from workers.connectors.git.config import GitConfig
from workers.connectors.git.log_format import AUTHORS, COMMIT_FILES, COMMITS
from workers.connectors.git.program import GitFailed
from workers.connectors.git.repository import Repository, existing_commits, open_repository
from workers.connectors.git.walk import AuthorsSeen, CommitPage, ResumeLost, walk

_LANE = "history"
_REFS_NAMED = 5


class GitConnector:
    """The history of a git repository on a disk of the workers: commits, files, authors."""

    type: ClassVar[str] = "git"
    default_max_runs: ClassVar[int | None] = None
    stream_names: ClassVar[Sequence[str]] = (COMMITS.name, COMMIT_FILES.name, AUTHORS.name)
    Config: ClassVar[builtins.type[BaseModel]] = GitConfig
    Bookmark: ClassVar[builtins.type[BaseModel]] = Bookmark
    Resume: ClassVar[builtins.type[BaseModel]] = Resume

    def __init__(self, config: GitConfig) -> None:
        self.config = config

    async def check(self) -> Sequence[Finding]:
        repository = await open_repository(self.config.path, self.config.refs)
        found = [Finding("repository", "ok", f"{self.config.path} can be read"), _refs_found(repository)]
        if repository.shallow:
            told = "a shallow clone: commits behind where it was cut off are not in it"
            found.append(Finding("history", "missing", told, "`git fetch --unshallow` there brings them"))
        return found

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        return [COMMITS, COMMIT_FILES, AUTHORS]

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        """Pages of new commits. Refs without any, and refs that are gone, are noted in a last page."""
        repository = await open_repository(self.config.path, self.config.refs)
        try:
            async with aclosing(self._walk_all(repository, context)) as pages:
                async for page in pages:
                    yield page
        except GitFailed as failure:
            raise Permanent(
                f"{self.config.path}: git cannot read its history ({failure}); `git fsck` there tells more"
            ) from None

    def transform(self, stream: Stream, record: Record) -> Record:
        """Records are rows already."""
        return record

    async def _walk_all(self, repository: Repository, context: ExtractContext) -> AsyncGenerator[Page]:
        partitions = [partition for stream, partition in context.checkpoint if stream == COMMITS.name]
        states = {
            ref: read_state(context, COMMITS.name, ref, Bookmark, Resume)
            for ref in dict.fromkeys((*repository.refs, *partitions))
        }
        known = await _known(repository, {ref: bookmark for ref, (bookmark, _) in states.items()})
        authors = AuthorsSeen()
        notes: list[Fragment] = []
        # Walks that broke off come first: what they leave out must be what it was, or they cannot go on.
        for ref in sorted(repository.refs, key=lambda ref: states[ref][1] is None):
            bookmark, resume = states[ref]
            for tip, start in await _targets(repository, ref, resume):
                reached = Bookmark(sha=tip, shallow=repository.shallow)
                if bookmark == reached and resume is None:
                    continue
                async with aclosing(_walk(repository, tip, known.values(), start, authors)) as pages:
                    async for page in pages:
                        checkpoint = _checkpoint(ref, page, bookmark, reached)
                        if page.count:
                            rows = dict(page.rows)
                            yield Page(lane=_LANE, records=rows, checkpoint=[*notes, *checkpoint])
                            notes = []
                        else:
                            notes += checkpoint
                bookmark = reached
                known[ref] = tip
        # Only now, for until here their commits were left out as known.
        notes += [
            Fragment(COMMITS.name, gone, bookmark=None)
            for gone in partitions
            if gone not in repository.refs and states[gone] != (None, None)
        ]
        if notes:
            yield Page(lane=_LANE, records={}, checkpoint=notes)


def _refs_found(repository: Repository) -> Finding:
    names = [name.removeprefix("refs/heads/") for name in repository.refs]
    if not names:
        return Finding("refs", "unknown", "no commits yet, or nothing that the configured refs mean")
    more = f" and {len(names) - _REFS_NAMED} more" if len(names) > _REFS_NAMED else ""
    return Finding("refs", "ok", f"{len(names)}: {', '.join(names[:_REFS_NAMED])}{more}")


async def _known(repository: Repository, bookmarks: Mapping[str, Bookmark | None]) -> dict[str, str]:
    """Ref -> sha whose ancestors were all yielded: of bookmarks that are there and still true."""
    shas = {
        ref: bookmark.sha
        for ref, bookmark in bookmarks.items()
        if bookmark and bookmark.shallow == repository.shallow
    }
    there = await existing_commits(repository.git, shas.values())
    return {ref: sha for ref, sha in shas.items() if sha in there}


async def _targets(
    repository: Repository, ref: str, resume: Resume | None
) -> list[tuple[str, Resume | None]]:
    """The tips to walk from: first the one of a walk that broke off, then where the ref stands now."""
    tip = repository.refs[ref]
    if resume is None or resume.tip not in await existing_commits(repository.git, [resume.tip]):
        return [(tip, None)]
    return [(resume.tip, resume)] if resume.tip == tip else [(resume.tip, resume), (tip, None)]


async def _walk(
    repository: Repository,
    tip: str,
    known: Collection[str],
    resume: Resume | None,
    authors: AuthorsSeen,
) -> AsyncGenerator[CommitPage]:
    """The pages from `tip`, from the beginning if `resume` no longer fits."""
    if resume:
        try:
            async with aclosing(walk(repository.git, tip, known, resume, authors)) as pages:
                async for page in pages:
                    yield page
        except ResumeLost:
            pass
        else:
            return
    async with aclosing(walk(repository.git, tip, known, None, authors)) as pages:
        async for page in pages:
            yield page


def _checkpoint(ref: str, page: CommitPage, before: Bookmark | None, reached: Bookmark) -> list[Fragment]:
    if page.is_last:
        return [Fragment(COMMITS.name, ref, bookmark=reached.model_dump())]
    if page.resume is None:
        return []
    bookmark = before.model_dump() if before else None
    return [Fragment(COMMITS.name, ref, bookmark=bookmark, resume=page.resume.model_dump())]
