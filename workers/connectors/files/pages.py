"""The second pass over a file: its records in pages, from the beginning or from where a walk broke off."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import cast

from etl_core.connector import Record
from workers.connectors.files.checkpoint import Resume
from workers.connectors.files.config import FilesConfig
from workers.connectors.files.formats.malformed import Malformed
from workers.connectors.files.parts import Part, open_whole, parts_of
from workers.connectors.files.places.files import Changed, Copy, SourceFile
from workers.connectors.files.reading import reading_errors, unless_changed
from workers.connectors.files.scan import Scan

PAGE_RECORDS = 5_000
PAGE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class FilePage:
    """Records and rejects between two places of a file; `resume` is the second, None at the file's end."""

    records: list[Record] = field(default_factory=list)
    rejects: list[Malformed] = field(default_factory=list)
    resume: Resume | None = None


class FilePages:
    """An open file. Every method may block, so it is called from a thread, one call at a time."""

    def __init__(
        self,
        file: SourceFile,
        copy: Copy,
        config: FilesConfig,
        scan: Scan,
        *,
        resume: Resume | None,
        stop: threading.Event,
    ) -> None:
        """Opens the file and goes to where `resume` says, if it was made from the same contents.

        Raises:
            Changed: it is not the file that was scanned.
            SourceError: it cannot be read.
        """
        self._file = file
        self._config = config
        self._scan = scan
        self._read_as = config.read_as()
        self._column = config.file_names
        self.records_before = 0
        self._parts: Generator[Part]
        self._part: Part | None = None
        self._records: Iterator[Record | Malformed] = iter(())
        if copy.fingerprint not in (None, scan.fingerprint):
            raise Changed
        with reading_errors(file.name, config.encoding):
            self._source = open_whole(file, copy, config, stop)
            try:
                with unless_changed(self._source, scan.version):
                    self._begin(resume)
            except BaseException:
                self._source.close()
                raise

    def _begin(self, resume: Resume | None) -> None:
        scan = self._scan
        goes_on = resume and (resume.fingerprint, resume.read_as) == (scan.fingerprint, self._read_as)
        first = resume.member if resume and goes_on else 0
        self._parts = parts_of(self._source, self._file, self._config, first)
        self._part = next(self._parts, None)
        if self._part is not None:
            if resume and goes_on:
                self._part.rows.move_to(resume.offset, resume.line)
                self.records_before = resume.records
            self._records = self._part.rows.records()

    def next_page(self) -> FilePage:
        """The next page; past the end an empty one.

        Raises:
            Changed: the file was written to since it was scanned, so this page proves nothing.
            SourceError: it cannot be read further.
            Stopped: the run was cancelled.
        """
        page = FilePage()
        with (
            reading_errors(self._file.name, self._config.encoding),
            unless_changed(self._source, self._scan.version),
        ):
            is_full = self._fill(page)
        if not is_full:
            return page
        assert self._part is not None  # noqa: S101 - a page is full of what a part gave
        self.records_before += len(page.records)
        resume = Resume(
            fingerprint=self._scan.fingerprint,
            read_as=self._read_as,
            member=self._part.number,
            offset=self._part.rows.offset,
            line=self._part.rows.line,
            records=self.records_before,
        )
        return FilePage(page.records, page.rejects, resume)

    def _fill(self, page: FilePage) -> bool:
        """False at the end of the file, so that an exactly full last page has an empty one behind it."""
        most_bytes = PAGE_BYTES
        while self._part is not None:
            before = self._part.rows.bytes_read
            begun = len(page.records)
            is_full = self._fill_from(self._part, page, most_bytes)
            if self._column is not None:
                name = self._config.file_name(self._file.partition, self._part.member)
                for record in page.records[begun:]:
                    cast("MutableMapping[str, object]", record)[self._column] = name
            if is_full:
                return True
            most_bytes -= self._part.rows.bytes_read - before
            self._part = next(self._parts, None)
            self._records = self._part.rows.records() if self._part is not None else iter(())
        return False

    def _fill_from(self, part: Part, page: FilePage, most_bytes: int) -> bool:
        """False at the end of the part."""
        rows = part.rows
        records, rejects, left = page.records, page.rejects, self._records
        until = rows.bytes_read + most_bytes
        while True:
            room = PAGE_RECORDS - len(records) - len(rejects)
            room_bytes = until - rows.bytes_read
            if room <= 0 or room_bytes <= 0:
                return True
            if several := rows.next_records(room, room_bytes):
                records.extend(several)
                continue
            record = next(left, None)
            if record is None:
                return False
            if isinstance(record, Malformed):
                rejects.append(record)
            else:
                records.append(record)

    def close(self) -> None:
        self._parts.close()
        self._source.close()
