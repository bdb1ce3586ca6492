"""Which files a path or pattern means, and what partition each of them is."""

from __future__ import annotations

import glob
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from etl_core.errors import Permanent, SourceError, Transient
from workers.connectors.files.config import split_pattern


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read; `partition` is its path below the part of the pattern that names folders in full."""

    path: str
    partition: str
    from_pattern: bool

    @property
    def name(self) -> str:
        """The path, fit for messages."""
        return printable(self.path)


def printable(path: str) -> str:
    """A path as valid text: bytes that are not UTF-8 become \\xNN, for Postgres refuses surrogates."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def locate(path: str) -> list[SourceFile]:
    """The regular files that `path` means, in the order of their partitions.

    A pattern passes over folders and over files that vanish meanwhile; a file whose name looks like a pattern
    is taken as the file.

    Raises:
        Transient: nothing there yet (not worth waiting for inside the run).
        Permanent: a folder, a pipe, or a folder on the way that may not be entered.
    """
    fixed, pattern = split_pattern(path)
    if not pattern or os.path.isfile(path):  # noqa: PTH113 - the other one raises where it may not look
        _expect_regular_file(path)
        return [SourceFile(path, printable(Path(path).name), from_pattern=False)]
    _expect_listable(fixed)
    found = [
        SourceFile(match, printable(os.path.relpath(match, fixed)), from_pattern=True)
        for match in glob.iglob(path, recursive=True)  # noqa: PTH207 - patterns are those of a shell
        if os.path.isfile(match)  # noqa: PTH113 - glob gives text, and there may be many
    ]
    if not found:
        raise Transient(
            f"no file matches {printable(path)}: check the integration's path, or wait for a delivery",
            retry_in_place=False,
        )
    return sorted(found, key=lambda file: file.partition)


class FileMissing(Transient):
    """There is no such file (any more)."""


def missing_file(name: str) -> FileMissing:
    return FileMissing(
        f"no file at {name}: check the integration's path, or wait until it is delivered",
        retry_in_place=False,
    )


def _expect_listable(folder: str) -> None:
    """A pattern finds nothing in a folder that may not be listed, which is not the same as an empty one."""
    try:
        os.scandir(folder).close()
    except PermissionError:
        raise not_permitted(printable(folder)) from None
    except OSError:
        return


def _expect_regular_file(path: str) -> None:
    name = printable(path)
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - an undecodable name stays as it is
    except (FileNotFoundError, NotADirectoryError):
        raise missing_file(name) from None
    except PermissionError:
        raise not_permitted(name) from None
    except OSError as error:
        raise Permanent(f"{name} cannot be looked at: {error.strerror}") from None
    if stat.S_ISDIR(mode):
        raise Permanent(f"{name} is a folder; give a file or a pattern, such as {name.rstrip('/')}/*.csv")
    if not stat.S_ISREG(mode):
        raise Permanent(f"{name} is no regular file (a pipe, socket or device), so it cannot be read twice")


def not_permitted(name: str) -> SourceError:
    return Permanent(
        f"{name} may not be read by user id {os.geteuid()}; mend the permissions on it or above it"
    )
