"""The second pass over a file: its records in pages, from the beginning or from where a walk broke off."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from etl_core.connector import Record
from workers.connectors.files.checkpoint import Resume
from workers.connectors.files.config import FilesConfig, Format
from workers.connectors.files.csv_rows import CsvRows
from workers.connectors.files.json_rows import JsonRows
from workers.connectors.files.lines import LineReader
from workers.connectors.files.locate import SourceFile
from workers.connectors.files.malformed import Malformed
from workers.connectors.files.reading import FileStat, open_file, reading_errors
from workers.connectors.files.scan import ChangedWhileReading, Scan

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
        config: FilesConfig,
        scan: Scan,
        resume: Resume | None,
        stop: threading.Event,
    ) -> None:
        """Opens the file and goes to where `resume` says, if it was made from the same contents.

        Raises:
            ChangedWhileReading: it is not the file that was scanned.
            SourceError: it cannot be read.
        """
        self._file = file
        self._config = config
        self._scan = scan
        self._read_as = config.read_as()
        with reading_errors(file.path, config.encoding):
            self._source = open_file(file.path, config.encoding, stop)
            try:
                self._expect_unchanged()
                self._lines = LineReader(self._source, file.name)
                is_json = config.record_format is Format.JSONL
                rows = JsonRows(self._lines, config) if is_json else CsvRows(self._lines, config, file.name)
                self.records_before = 0
                if resume and (resume.fingerprint, resume.read_as) == (scan.fingerprint, self._read_as):
                    rows.move_to(resume.offset, resume.line)
                    self.records_before = resume.records
                self._records = rows.records()
                self._next_records = rows.next_records if isinstance(rows, JsonRows) else _none_at_once
            except BaseException:
                self._source.close()
                raise

    def next_page(self) -> FilePage:
        """The next page; past the end an empty one.

        Raises:
            ChangedWhileReading: the file was written to since it was scanned, so this page proves nothing.
            SourceError: it cannot be read further.
            Stopped: the run was cancelled.
        """
        page = FilePage()
        start = self._lines.offset
        with reading_errors(self._file.path, self._config.encoding):
            is_full = self._fill(page, start)
            self._expect_unchanged()
        if not is_full:
            return page
        self.records_before += len(page.records)
        resume = Resume(
            fingerprint=self._scan.fingerprint,
            read_as=self._read_as,
            offset=self._lines.offset,
            line=self._lines.line,
            records=self.records_before,
        )
        return FilePage(page.records, page.rejects, resume)

    def _fill(self, page: FilePage, start: int) -> bool:
        """False at the end of the file, so that an exactly full last page has an empty one behind it."""
        while True:
            room = PAGE_RECORDS - len(page.records) - len(page.rejects)
            room_bytes = PAGE_BYTES - (self._lines.offset - start)
            if room <= 0 or room_bytes <= 0:
                return True
            if records := self._next_records(room, room_bytes):
                page.records.extend(records)
                continue
            record = next(self._records, None)
            if record is None:
                return False
            if isinstance(record, Malformed):
                page.rejects.append(record)
            else:
                page.records.append(record)

    def close(self) -> None:
        self._source.close()

    def _expect_unchanged(self) -> None:
        if FileStat.of(self._source.raw.fileno()) != self._scan.stat:
            raise ChangedWhileReading


def _none_at_once(most: int, most_bytes: int) -> list[Record]:
    return []
