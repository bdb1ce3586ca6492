"""`check`: what is there, what of it can be read, and which library is missing."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Sequence

from etl_core.connector import ExtractContext, Finding
from etl_core.errors import SourceError
from workers.connectors.files.config import FilesConfig
from workers.connectors.files.places.address import Kind
from workers.connectors.files.places.connecting import missing_extra
from workers.connectors.files.places.files import ExtraMissing, Place, SourceFile
from workers.connectors.files.scan import Scan, other_delimiter
from workers.connectors.files.survey import survey

_FAILURES_TOLD = 5
"""Of the files before the first that can be read."""
_MOST_DOWNLOADED = 64 << 20
"""Bytes of a file that is downloaded for a test."""

ScanOne = Callable[[SourceFile, threading.Event], Awaitable[Scan]]


async def check_files(place: Place, config: FilesConfig, scan: ScanOne) -> Sequence[Finding]:
    """Reads files until one can be read, so that a wrong key or encoding is told before the first run.

    Raises:
        SourceError: nothing is found, or not one of the files can be read.
    """
    if missing := missing_extra(config.address.kind):
        return [_missing(missing, str(config.address.kind))]
    found = await survey(place, config, ExtractContext(), config.stream_name)
    files = [plan.file for plan in found.plans]
    findings = [Finding("files", "ok", f"{len(found.files):,} at {config.shown}")]
    if told := found.left.told():
        findings.append(Finding("unfinished", "unknown", told))
    if config.address.kind is not Kind.LOCAL:
        files = _smallest_first(files)
        if files and (files[0].version.size or 0) > _MOST_DOWNLOADED:
            told = f"{files[0].version.size or 0:,} bytes: too large to be downloaded for a test"
            return [*findings, Finding(files[0].partition, "unknown", told)]
    failures: list[SourceError] = []
    for file in files:
        try:
            read = await scan(file, threading.Event())
        except ExtraMissing as error:
            return [*findings, _missing(error, str(config.record_format))]
        except SourceError as error:
            failures.append(error)
            if len(failures) <= _FAILURES_TOLD:
                findings.append(Finding(file.partition, "failed", str(error)))
            continue
        key = ", ".join(config.key) or "none (append only)"
        told = f"{read.records:,} records of {len(read.columns)} columns, key {key}"
        findings.append(Finding(file.partition, "ok", told))
        if remedy := other_delimiter(config, read.columns):
            findings.append(Finding(file.partition, "unknown", "are these really one column?", remedy))
        return findings
    raise failures[0]


def _missing(error: ExtraMissing, what: str) -> Finding:
    return Finding(what, "missing", str(error).partition(": pip")[0], error.remedy)


def _smallest_first(files: Sequence[SourceFile]) -> list[SourceFile]:
    return sorted(files, key=lambda file: file.version.size or 0)
