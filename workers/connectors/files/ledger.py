"""Files that were read, in few bytes each: what the checkpoint keeps once there are many.

The ledger is two partitions. `//recent` is small and moves with each file; when it is full it is poured into
`//ledger`, and what is not there any more is left out. No file can be called so: names hold no two slashes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from hashlib import blake2b

from etl_core.connector import Fragment
from etl_core.errors import Permanent
from workers.connectors.files.checkpoint import LedgerBookmark
from workers.connectors.files.formats.joining import Join, joined
from workers.connectors.files.formats.rows import Columns
from workers.connectors.files.places.files import SourceFile, Version
from workers.connectors.files.scan import Scan

LEDGER, RECENT = "//ledger", "//recent"
MOST_OWN = 500
"""Files with a partition of their own."""
MOST_RECENT = 200
MOST_FILES = 50_000
"""In one integration: a ledger of 1 MB."""
_NAME, _VERSION, _CONTENTS = 6, 4, 5
_ENTRY = _NAME + _VERSION + _CONTENTS
_UNPROVEN = bytes(_VERSION)

Entries = dict[bytes, bytes]
"""Hash of a file's name -> hashes of its version and of its contents."""


class Ledger:
    """Both partitions in memory."""

    def __init__(
        self, stored: LedgerBookmark | None, recent: LedgerBookmark | None, read_as: str, join: Join
    ) -> None:
        """Raises Permanent: somebody edited one of them. What was read with other settings is forgotten."""
        self._read_as = read_as
        self._join = join
        self._entries = _entries_of(stored, read_as)
        self._recent = _entries_of(recent, read_as)
        self.stored_recent = None if recent is None else recent.model_dump(mode="json")
        """As the checkpoint has it: in the midst of a file it stays so."""
        self.columns: Columns = {}
        for bookmark in (stored, recent):
            if bookmark is not None and bookmark.read_as == read_as:
                self.columns = joined(self.columns, bookmark.columns, join)

    @property
    def is_full(self) -> bool:
        return len(self._recent) >= MOST_RECENT

    def knows(self, file: SourceFile, version: Version) -> bool:
        """Whether the file was read, as its version alone says."""
        entry = self._find(file)
        stamped = _version_hash(version)
        return entry is not None and stamped != _UNPROVEN and entry[:_VERSION] == stamped

    def knows_contents(self, file: SourceFile, fingerprint: str) -> bool:
        entry = self._find(file)
        return entry is not None and entry[_VERSION:] == _contents_hash(fingerprint)

    def add(self, file: SourceFile, scan: Scan) -> None:
        """It was read to its end."""
        stamped = _version_hash(scan.version) if scan.settled else _UNPROVEN
        self._recent[_name_hash(file.partition)] = stamped + _contents_hash(scan.fingerprint)
        self.columns = joined(self.columns, scan.columns, self._join)

    def holds_gone(self, present: Iterable[SourceFile]) -> bool:
        """Whether it knows a file that is not there any more."""
        there = {_name_hash(file.partition) for file in present}
        return not (self._entries.keys() | self._recent.keys()) <= there

    def fragments(self, stream: str, present: Iterable[SourceFile], *, pour: bool) -> list[Fragment]:
        """What the checkpoint is to hold now; `pour`: as `pour` does."""
        found = []
        if pour:
            self.pour(present)
            found.append(Fragment(stream, LEDGER, bookmark=self.bookmark().model_dump(mode="json")))
        self.stored_recent = self.recent().model_dump(mode="json")
        return [*found, Fragment(stream, RECENT, bookmark=self.stored_recent)]

    def pour(self, present: Iterable[SourceFile]) -> None:
        """Puts the recent ones to the others and forgets those that are gone."""
        there = {_name_hash(file.partition) for file in present}
        self._entries = {
            name: entry for name, entry in (self._entries | self._recent).items() if name in there
        }
        self._recent = {}

    def bookmark(self) -> LedgerBookmark:
        return self._bookmark(self._entries)

    def recent(self) -> LedgerBookmark:
        return self._bookmark(self._recent)

    def _bookmark(self, entries: Entries) -> LedgerBookmark:
        written = b"".join(name + entry for name, entry in sorted(entries.items()))
        return LedgerBookmark(
            files=len(entries),
            entries=base64.b64encode(written).decode(),
            read_as=self._read_as,
            columns=self.columns,
        )

    def _find(self, file: SourceFile) -> bytes | None:
        name = _name_hash(file.partition)
        return self._recent.get(name) or self._entries.get(name)


def _entries_of(stored: LedgerBookmark | None, read_as: str) -> Entries:
    if stored is None or stored.read_as != read_as:
        return {}
    try:
        written = base64.b64decode(stored.entries, validate=True)
    except binascii.Error:
        written = b"?"
    if len(written) != stored.files * _ENTRY:
        raise Permanent("checkpoint of the files' ledger: entries cannot be read; repair it or clear it")
    return {
        written[at : at + _NAME]: written[at + _NAME : at + _ENTRY] for at in range(0, len(written), _ENTRY)
    }


def _name_hash(partition: str) -> bytes:
    return blake2b(partition.encode("utf-8", "surrogateescape"), digest_size=_NAME).digest()


def _version_hash(version: Version) -> bytes:
    if version.tag is None and version.mtime_ns is None:
        return _UNPROVEN
    told = version.tag if version.tag is not None else f"{version.size} {version.mtime_ns}"
    return blake2b(told.encode(), digest_size=_VERSION).digest()


def _contents_hash(fingerprint: str) -> bytes:
    return blake2b(fingerprint.encode(), digest_size=_CONTENTS).digest()
