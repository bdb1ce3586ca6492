"""What of a file is read: itself, or the members of a zip in their order."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Generator
from dataclasses import dataclass
from hashlib import blake2b

from etl_core.errors import Permanent
from workers.connectors.files.config import SEEKING, FilesConfig, Format
from workers.connectors.files.formats.opening import open_rows
from workers.connectors.files.formats.rows import Rows
from workers.connectors.files.places.files import Copy, SourceFile
from workers.connectors.files.reading import OpenFile, is_zip, open_file, open_member
from workers.connectors.files.unpacking import UNASKED


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that are open; `number` counts the members read of a zip, and is 0 for a file that is none."""

    number: int
    member: str | None
    rows: Rows

    def name_in(self, file: SourceFile) -> str:
        return file.name if self.member is None else f"{file.name}/{self.member}"


def open_whole(
    file: SourceFile, copy: Copy, config: FilesConfig, stop: threading.Event, digest: blake2b | None = None
) -> OpenFile:
    """The file as it is stored, unpacked unless it is a zip. Raises SourceError."""
    encoding = None if config.record_format in SEEKING else config.encoding
    return open_file(copy, file.name, encoding, stop, digest, max_ratio=config.max_ratio)


def jumps_about(source: OpenFile, config: FilesConfig) -> bool:
    """Whether reading it does not pass its bytes from the first to the last."""
    return config.record_format in SEEKING or is_zip(source)


def parts_of(source: OpenFile, file: SourceFile, config: FilesConfig, first: int = 0) -> Generator[Part]:
    """From part number `first` on, each closed when the next is asked for. Raises SourceError."""
    archive = _archive(source, config)
    if archive is None:
        rows = open_rows(source, config, file.name)
        try:
            yield Part(0, None, rows)
        finally:
            rows.close()
        return
    members = _members(archive, source, file, config)
    for number, info in enumerate(members[first:], first):
        name = f"{file.name}/{info.filename}"
        encoding = None if config.record_format in SEEKING else config.encoding
        member = open_member(source, archive, info, name, encoding=encoding, max_ratio=config.max_ratio)
        try:
            rows = open_rows(member, config, name)
            try:
                yield Part(number, info.filename, rows)
            finally:
                rows.close()
        finally:
            member.text.close()


def _archive(source: OpenFile, config: FilesConfig) -> zipfile.ZipFile | None:
    """None where the file is no zip; a workbook is one only to those who look inside."""
    if not is_zip(source):
        return None
    archive = zipfile.ZipFile(source.text)
    if config.record_format is Format.EXCEL and "xl/workbook.xml" in archive.namelist():
        source.text.seek(0)
        return None
    return archive


def _members(
    archive: zipfile.ZipFile, source: OpenFile, file: SourceFile, config: FilesConfig
) -> list[zipfile.ZipInfo]:
    chosen = [info for info in archive.infolist() if not info.is_dir() and config.reads_member(info.filename)]
    if not chosen:
        what = f"that matches {', '.join(config.members)}" if config.members else "to read"
        raise Permanent(f"{file.name} holds no file {what}; see `members`, or deliver it again")
    # Members of a bomb may share their packed bytes, so that each by itself looks honest.
    unpacked = sum(info.file_size for info in chosen)
    packed = source.text.seek(0, 2)
    if unpacked > UNASKED and unpacked > config.max_ratio * packed:
        raise Permanent(
            f"{file.name} unpacks to more than {config.max_ratio} times its size "
            f"({unpacked >> 20:,} MB): is it a bomb? If not, set `max_ratio`"
        )
    return chosen
