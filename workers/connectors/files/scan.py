"""The first pass over a file: its types, its fingerprint, and whether it can be read to the end.

Types are inferred over the whole file, for a guess from its beginning fails on row 10,001. The pass costs a
second reading of the file, and no memory: columns remember a type, not values.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from etl_core.errors import Permanent
from workers.connectors.files.checkpoint import FileBookmark
from workers.connectors.files.config import DELIMITED, FilesConfig
from workers.connectors.files.formats.joining import join_of, joined
from workers.connectors.files.formats.rows import Columns, Learned
from workers.connectors.files.parts import jumps_about, open_whole, parts_of
from workers.connectors.files.places.files import Copy, SourceFile, Version
from workers.connectors.files.reading import OpenFile, reading_errors, unless_changed

_SETTLED_NS = 2_000_000_000
"""A time of change younger than this proves nothing: another write may bear the same (coarse clocks, NFS)."""

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


@dataclass(frozen=True, slots=True)
class Scan:
    """What a whole file is."""

    version: Version
    settled: bool
    """Whether its version can tell a later change."""
    fingerprint: str
    size: int
    """Bytes as they are stored."""
    columns: Columns
    records: int

    def bookmark(self, read_as: str) -> FileBookmark:
        return FileBookmark(
            fingerprint=self.fingerprint,
            size=self.size,
            mtime_ns=self.version.mtime_ns if self.settled else None,
            tag=self.version.tag,
            read_as=read_as,
            records=self.records,
            columns=self.columns,
        )


def scan_file(file: SourceFile, copy: Copy, config: FilesConfig, stop: threading.Event) -> Scan:
    """Reads a file once, from a thread.

    Raises:
        SourceError: it cannot be read, or nothing in it is a record.
        Changed: it was written to meanwhile.
        Stopped: `stop` was set.
    """
    digest = blake2b(digest_size=16)
    started_ns = time.time_ns()
    with reading_errors(file.name, config.encoding):
        source = open_whole(file, copy, config, stop, digest)
        try:
            before = source.version()
            fingerprint = _digest_first(source, digest) if jumps_about(source, config) else None
            with unless_changed(source, before):
                learned = _learn(source, file, config)
                source.drain()
            size = source.on_disk.tell()
        finally:
            source.close()
    if learned.first_reject is not None and learned.records == 0:
        raise Permanent(f"{file.name}: no record in it can be read; {learned.first_reject.reason}")
    return Scan(
        version=before,
        settled=before.tag is not None
        or (before.mtime_ns is not None and started_ns - before.mtime_ns > _SETTLED_NS),
        fingerprint=fingerprint or digest.hexdigest(),
        size=size,
        columns=learned.columns,
        records=learned.records,
    )


def _digest_first(source: OpenFile, digest: blake2b) -> str:
    """Of what is then read here and there: from the beginning to the end, once more."""
    source.drain()
    source.on_disk.seek(0)
    return digest.hexdigest()


def _learn(source: OpenFile, file: SourceFile, config: FilesConfig) -> Learned:
    """Of all parts together."""
    join = join_of(config.record_format)
    whole = Learned()
    for part in parts_of(source, file, config):
        learned = part.rows.learn()
        # What cannot be read at all is told first: it explains why a key is not there.
        if not (learned.first_reject is not None and learned.records == 0):
            _expect_columns(part.name_in(file), config, learned.columns)
        whole.columns = joined(whole.columns, learned.columns, join) if whole.columns else learned.columns
        whole.records += learned.records
        whole.first_reject = whole.first_reject or learned.first_reject
    return whole


def other_delimiter(config: FilesConfig, columns: Iterable[str]) -> str | None:
    """What to do where the only column of a delimited file is named as if others were in it; pure."""
    names = [*columns]
    if config.record_format not in DELIMITED or len(names) != 1:
        return None
    found = next((each for each in _DELIMITERS if each != config.field_delimiter and each in names[0]), None)
    if found is None:
        return None
    used, other = (_DELIMITERS.get(each, each) for each in (config.field_delimiter, found))
    written = found.replace("\t", "\\t")
    return (
        f'fields are divided by a {used}, and its only column holds a {other}: set `delimiter` to "{written}"'
    )


def _expect_columns(name: str, config: FilesConfig, columns: Columns) -> None:
    there = ", ".join(columns)
    if remedy := other_delimiter(config, columns):
        there += f"; {remedy}"
    if config.file_names in columns:
        raise Permanent(
            f"{name} has a column {config.file_names!r} itself; name another one for the file's name in "
            "`file_column`, or set it to null"
        )
    for key in config.record_key:
        if key not in columns:
            raise Permanent(f"{name}: the key column {key!r} is not there; its columns are {there}")
    if config.record_format in DELIMITED:
        _expect_declared(name, config.columns, columns, there)


def _expect_declared(name: str, declared: Iterable[str], columns: Columns, there: str) -> None:
    for column in declared:
        if column not in columns:
            raise Permanent(f"{name}: the declared column {column!r} is not there; its columns are {there}")
