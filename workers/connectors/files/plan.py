"""What a run has to do with each file: leave it, note its new time of change, or read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etl_core.errors import SourceError
from workers.connectors.files.checkpoint import FileBookmark, Resume
from workers.connectors.files.formats.rows import Columns
from workers.connectors.files.ledger import Ledger
from workers.connectors.files.places.files import SourceFile, Version
from workers.connectors.files.scan import Scan

LOT_FILES = 1_000
LOT_BYTES = 4 << 30
"""As they are stored. So many files are looked through before the first of them is loaded."""


@dataclass(slots=True)
class FilePlan:
    """A file, what the checkpoint knows of it, and what this run found."""

    file: SourceFile
    ledger: Ledger | None = None
    """Where it is an entry and no partition of its own."""
    bookmark: FileBookmark | None = None
    resume: Resume | None = None
    unchanged: bool = False
    """Its version is the one that was read to its end, so it is not opened."""
    scan: Scan | None = None
    failure: SourceError | None = None
    done: bool = False
    """There is nothing (more) to be done with it in this run: it vanished, or failed."""

    @property
    def waits(self) -> bool:
        """Whether it is to be looked through in this or a later lot."""
        return not (self.unchanged or self.scan or self.failure or self.done)

    def columns(self) -> Columns:
        if self.scan is not None:
            return self.scan.columns
        return self.bookmark.columns if self.unchanged and self.bookmark else {}

    def is_known(self, read_as: str) -> bool:
        """Whether the contents were read before, so that only their version is new.

        Not with a walk under way: it was loading other contents, which the bookmark's must replace again.
        """
        if self.scan is None or self.resume is not None:
            return False
        if self.ledger is not None:
            return self.ledger.knows_contents(self.file, self.scan.fingerprint)
        return self.bookmark is not None and (self.bookmark.fingerprint, self.bookmark.read_as) == (
            self.scan.fingerprint,
            read_as,
        )

    def is_touched(self, read_as: str) -> bool:
        """Whether the contents are known and the checkpoint is not yet what it would be now."""
        if not self.is_known(read_as) or self.scan is None:
            return False
        if self.ledger is not None:
            return self.scan.settled and not self.ledger.knows(self.file, self.scan.version)
        return self.scan.bookmark(read_as) != self.bookmark

    def looks_unchanged(self, read_as: str) -> bool:
        """Whether the listed version alone says that the file is the one that was read to its end."""
        if self.resume is not None:
            return False
        if self.ledger is not None:
            return self.ledger.knows(self.file, self.file.version)
        was = self.bookmark
        return (
            was is not None
            and was.read_as == read_as
            and Version(was.size, was.mtime_ns, was.tag).is_surely(self.file.version)
        )


def next_lot(plans: Sequence[FilePlan]) -> list[FilePlan]:
    """The next of those that wait: at least one if there is one."""
    lot: list[FilePlan] = []
    size = 0
    for plan in plans:
        if not plan.waits:
            continue
        size += plan.file.version.size or 0
        if lot and (len(lot) >= LOT_FILES or size > LOT_BYTES):
            break
        lot.append(plan)
    return lot
