"""What a run has to do with each file: leave it, note its new time of change, or read it."""

from __future__ import annotations

from dataclasses import dataclass

from etl_core.connector import ColumnType
from etl_core.errors import SourceError
from workers.connectors.files.checkpoint import Bookmark, Resume
from workers.connectors.files.locate import SourceFile
from workers.connectors.files.reading import FileStat
from workers.connectors.files.scan import Scan


@dataclass(slots=True)
class FilePlan:
    """A file, what the checkpoint knows of it, and what this run found: one of the last three is set."""

    file: SourceFile
    bookmark: Bookmark | None
    resume: Resume | None
    unchanged: bool = False
    """Size and time of change are those of the bookmark, so it was not opened."""
    scan: Scan | None = None
    failure: SourceError | None = None

    def columns(self) -> dict[str, ColumnType | None]:
        if self.scan is not None:
            return self.scan.columns
        return self.bookmark.columns if self.unchanged and self.bookmark else {}

    def is_known(self, read_as: str) -> bool:
        """Whether the contents are those of the bookmark, so that only their time of change is new.

        Not with a walk under way: it was loading other contents, which the bookmark's must replace again.
        """
        return (
            self.scan is not None
            and self.bookmark is not None
            and self.resume is None
            and (self.bookmark.fingerprint, self.bookmark.read_as) == (self.scan.fingerprint, read_as)
        )

    def is_touched(self, read_as: str) -> bool:
        """Whether the contents are known and the bookmark is not yet what it would be now."""
        return (
            self.is_known(read_as) and self.scan is not None and self.scan.bookmark(read_as) != self.bookmark
        )


def looks_unchanged(found: FileStat, bookmark: Bookmark | None, resume: Resume | None, read_as: str) -> bool:
    """Whether size and time alone say that a file is the one that was read to its end."""
    return (
        bookmark is not None
        and resume is None
        and bookmark.read_as == read_as
        and (bookmark.size, bookmark.mtime_ns) == (found.size, found.mtime_ns)
    )
