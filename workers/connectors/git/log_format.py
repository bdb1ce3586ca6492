"""The output of `git log` and how it is read: bytes in, records out. Pure.

The format asks for NUL behind every field and every path (`-z`), for nothing else is impossible in them::

    NUL "commit " sha NUL tree NUL ... body NUL NUL
    "\\n:100644 100644 sha sha M" NUL path NUL ":... R100" NUL old NUL new NUL ...      (--raw)
    "1\\t0\\tpath" NUL "3\\t1\\t" NUL old NUL new NUL ...                                 (--numstat)

A commit without changes, and a merge, has neither of the last two. Checked against git 2.39.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from typing import Any

from etl_core.connector import Column, ColumnType, Stream

COMMITS = Stream(
    "commits",
    (
        Column("sha", ColumnType.TEXT),
        Column("tree", ColumnType.TEXT),
        Column("parents", ColumnType.JSONB),
        Column("is_merge", ColumnType.BOOLEAN),
        Column("author_name", ColumnType.TEXT),
        Column("author_email", ColumnType.TEXT),
        Column("authored_at", ColumnType.TIMESTAMPTZ),
        Column("committer_name", ColumnType.TEXT),
        Column("committer_email", ColumnType.TEXT),
        Column("committed_at", ColumnType.TIMESTAMPTZ),
        Column("subject", ColumnType.TEXT),
        Column("body", ColumnType.TEXT),
    ),
    key=("sha",),
)
COMMIT_FILES = Stream(
    "commit_files",
    (
        Column("sha", ColumnType.TEXT),
        Column("path", ColumnType.TEXT),
        Column("status", ColumnType.TEXT),
        Column("additions", ColumnType.BIGINT),
        Column("deletions", ColumnType.BIGINT),
        Column("old_path", ColumnType.TEXT),
    ),
    key=("sha", "path"),
)
# Keyed by all that is known of an author, so that a row is the same whatever commit it was seen in: commits
# do not come in the order of their times (branches, rebases, a walk resumed), and "the latest name" would be
# whichever page was loaded last. First and last commit of an author are a query over `commits`.
AUTHORS = Stream(
    "authors",
    (
        Column("email", ColumnType.TEXT),
        Column("name", ColumnType.TEXT),
        Column("domain", ColumnType.TEXT),
    ),
    key=("email", "name"),
)

_FIELDS = ("%T", "%P", "%an", "%ae", "%at", "%cn", "%ce", "%ct", "%s", "%b")
_COMMIT = b"commit "
LOG_ARGUMENTS = (
    "log",
    "-z",
    "--raw",
    "--numstat",
    "--no-abbrev",
    "--find-renames",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-decorate",
    "--no-notes",
    "--no-show-signature",
    "--encoding=UTF-8",
    f"--format=%x00commit %H%x00{'%x00'.join(_FIELDS)}%x00",
    "--stdin",
)

Row = tuple[str, dict[str, Any]]
"""Name of the stream, record."""


class LogReader:
    """Reads the output of `git log` with `LOG_ARGUMENTS` chunk by chunk.

    A commit's row comes before those of its files. Only the paths of one commit are kept in memory.
    """

    def __init__(self) -> None:
        self._unfinished: list[bytes] = []
        self._state = self._tokens()
        next(self._state)

    def feed(self, chunk: bytes) -> Iterator[Row]:
        """The rows that are complete with this chunk."""
        self._unfinished.append(chunk)
        if b"\0" not in chunk:
            return
        pieces = b"".join(self._unfinished).split(b"\0")
        self._unfinished = [pieces.pop()]
        for piece in pieces:
            row = self._state.send(piece)
            if row is not None:
                yield row

    def _tokens(self) -> Generator[Row | None, bytes, None]:
        """A coroutine: takes a token, gives a row or None."""
        token = yield None
        while not token.startswith(_COMMIT):
            token = yield None
        while True:
            sha = token[len(_COMMIT) :].decode("ascii")
            fields: list[bytes] = []
            while len(fields) < len(_FIELDS) - 1:
                fields.append((yield None))
            body = yield None
            token = yield ("commits", _commit(sha, fields, body))
            changes: dict[bytes, tuple[str, bytes | None]] = {}
            while not token.startswith(_COMMIT):
                row = None
                line = token.lstrip(b"\n")
                if line.startswith(b":"):
                    status = line.rpartition(b" ")[2][:1].decode("ascii")
                    path = yield None
                    old_path = None
                    if status in "RC":
                        old_path, path = path, (yield None)
                    changes[path] = (status, old_path)
                elif line:
                    additions, deletions, path = line.split(b"\t", 2)
                    if not path:
                        yield None
                        path = yield None
                    change = changes.pop(path, ("M", None))
                    row = ("commit_files", _file(sha, path, change, additions, deletions))
                token = yield row


def author_of(commit: dict[str, Any]) -> dict[str, Any]:
    """The row of `authors` that a commit gives rise to."""
    email = commit["author_email"]
    _, at, domain = email.rpartition("@")
    return {
        "email": email,
        "name": commit["author_name"],
        "domain": domain.lower() if at and domain else None,
    }


def _commit(sha: str, fields: list[bytes], body: bytes) -> dict[str, Any]:
    tree, parents, author, author_email, authored, committer, committer_email, committed, subject = fields
    parent_shas = parents.decode("ascii").split()
    return {
        "sha": sha,
        "tree": tree.decode("ascii"),
        "parents": parent_shas,
        "is_merge": len(parent_shas) > 1,
        "author_name": _text(author),
        "author_email": _text(author_email),
        "authored_at": _moment(authored),
        "committer_name": _text(committer),
        "committer_email": _text(committer_email),
        "committed_at": _moment(committed),
        "subject": _text(subject),
        "body": _text(body).rstrip("\n") or None,
    }


def _file(
    sha: str, path: bytes, change: tuple[str, bytes | None], additions: bytes, deletions: bytes
) -> dict[str, Any]:
    status, old_path = change
    return {
        "sha": sha,
        "path": _text(path),
        "status": status,
        # git counts no lines in binary files.
        "additions": None if additions == b"-" else int(additions),
        "deletions": None if deletions == b"-" else int(deletions),
        "old_path": None if old_path is None else _text(old_path),
    }


def _text(raw: bytes) -> str:
    """Text of whatever bytes: what is not UTF-8 becomes \\xNN, for Postgres takes nothing else."""
    return raw.decode("utf-8", "backslashreplace")


def _moment(seconds: bytes) -> str | None:
    """An ISO time in UTC; None where a broken commit has none that a calendar knows."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None
