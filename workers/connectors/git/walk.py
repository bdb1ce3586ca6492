"""One walk over the commits that a tip can reach and the known ones cannot, in pages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass, field
from typing import Any

from workers.connectors.git.checkpoint import Resume
from workers.connectors.git.log_format import LOG_ARGUMENTS, LogReader, author_of
from workers.connectors.git.program import Git

PAGE_ROWS = 5_000
PAGE_BYTES = 4 << 20

_AUTHORS_REMEMBERED = 100_000


@dataclass
class CommitPage:
    """Rows by stream. `resume` is where to go on behind them: None in mid-commit, and on the last page."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    resume: Resume | None = None
    is_last: bool = False
    count: int = 0
    size: int = 0
    """Bytes, about."""

    def add(self, stream: str, row: dict[str, Any]) -> None:
        self.rows[stream].append(row)
        self.count += 1
        self.size += 200 + len(row.get("body") or "")

    @property
    def is_full(self) -> bool:
        return self.count >= PAGE_ROWS or self.size >= PAGE_BYTES


class ResumeLost(Exception):
    """The commit where the walk broke off is no longer at its place; begin the walk again."""


class AuthorsSeen:
    """Which authors were yielded already; forgetting some only yields them again, to no effect."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, str]] = set()

    def is_new(self, author: dict[str, Any]) -> bool:
        identity = (author["email"], author["name"])
        if identity in self._seen:
            return False
        if len(self._seen) >= _AUTHORS_REMEMBERED:
            self._seen.clear()
        self._seen.add(identity)
        return True


async def walk(
    git: Git, tip: str, known: Collection[str], resume: Resume | None, authors: AuthorsSeen
) -> AsyncGenerator[CommitPage]:
    """Pages of the commits from `tip` that none of `known` (shas that are there) can reach.

    git's order is the same for the same arguments, so a walk is resumed by leaving out the commits done; the
    last of them is read once more to prove it. A commit with very many files is spread over several pages, of
    which only the last can be resumed behind.

    Raises:
        ResumeLost: `resume` does not fit; nothing was yielded.
        GitFailed: git ended with an error.
    """
    done = resume.done - 1 if resume else 0
    awaited = resume.sha if resume else None
    revisions = "".join(f"{line}\n" for line in (tip, *(f"^{sha}" for sha in sorted(known)))).encode("ascii")
    reader = LogReader()
    page = CommitPage()
    sha = ""
    async with git.stream(*LOG_ARGUMENTS, f"--skip={done}", given=revisions) as chunks:
        async for chunk in chunks:
            for stream, row in reader.feed(chunk):
                if stream == "commits":
                    if page.is_full:
                        page.resume = Resume(tip=tip, done=done, sha=sha)
                        yield page
                        page = CommitPage()
                    done += 1
                    sha = row["sha"]
                    if awaited and done == (resume.done if resume else 0) and sha != awaited:
                        raise ResumeLost
                elif page.count >= 2 * PAGE_ROWS:
                    yield page
                    page = CommitPage()
                if sha == awaited:
                    continue
                page.add(stream, row)
                if stream == "commits" and authors.is_new(author := author_of(row)):
                    page.add("authors", author)
    if awaited and not sha:
        raise ResumeLost
    page.is_last = True
    yield page
