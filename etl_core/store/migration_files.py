"""Migrations as files: `NNNN_name.sql` and its way back `NNNN_name.down.sql`, read from the package `sql`.

The first line of a migration says which programs may run on a schema whose newest migration it is:
`-- programs: >=0.1`, `-- programs: >=0.1, <0.3`, or `-- programs: none`. It is copied into the bookkeeping,
so that an older program learns from a migration it never saw whether it may go on. It is no part of the
checksum: a range may be narrowed later without touching what was applied.
"""

from __future__ import annotations

import hashlib
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

PACKAGE = "sql.migrations"

_FILE = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+?)(?P<down>\.down)?\.sql")
_PROGRAMS = re.compile(r"-- programs: (?P<range>.+)")
_BOUND = re.compile(r"(?P<comparison>>=|<=|==|<|>)\s*(?P<version>\d+(\.\d+)*)")
_COMPARISONS: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}


def parse_version(text: str) -> tuple[int, ...]:
    """The release numbers of a program version, trailing zeros dropped: "0.2.0rc1" is (0, 2).

    Raises:
        ValueError: it does not begin with a number.
    """
    match = re.match(r"\d+(\.\d+)*", text)
    if match is None:
        raise ValueError(f"{text!r} is no program version")
    numbers = [int(part) for part in match.group().split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def admits(programs: str, program: str) -> bool:
    """Whether a range (`>=0.1, <0.3` or `none`) admits a program version.

    Raises:
        ValueError: the range cannot be read.
    """
    if programs == "none":
        return False
    version = parse_version(program)
    admitted = True
    for part in programs.split(","):
        match = _BOUND.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{programs!r} is no range of program versions: write `>=0.1, <0.3` or `none`")
        admitted &= _COMPARISONS[match["comparison"]](version, parse_version(match["version"]))
    return admitted


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """One migration and its way back, as text."""

    version: int
    name: str
    up: str
    down: str

    @property
    def label(self) -> str:
        """As the file is called: `0005_etl_jobs_autonomous_architecture`."""
        return f"{self.version:04}_{self.name}"

    @property
    def programs(self) -> str:
        """The range of program versions that its first line declares.

        Raises:
            ValueError: the first line declares none, or one that cannot be read.
        """
        match = _PROGRAMS.fullmatch(self.up.split("\n", 1)[0].rstrip())
        if match is None:
            raise ValueError(f"{self.label}.sql must begin with a line `-- programs: >=0.1`")
        programs = match["range"].strip()
        admits(programs, "0")
        return programs

    @property
    def checksum(self) -> str:
        """SHA-256 (hexadecimal) of the way forward without its first line.

        The way back is left out: it may be mended after the fact, and has not run when this is compared.
        """
        return hashlib.sha256(self.up.partition("\n")[2].encode()).hexdigest()


def read_migrations(folder: Traversable) -> tuple[MigrationFile, ...]:
    """The migrations of a folder, oldest first, numbered from 1 without a gap.

    Raises:
        ValueError: a number is missing or twice, a way back is missing or alone, or a first line is wrong.
    """
    texts: dict[tuple[int, str], dict[str, str]] = {}
    for entry in folder.iterdir():
        if not entry.name.endswith(".sql"):
            continue
        match = _FILE.fullmatch(entry.name)
        if match is None:
            raise ValueError(f"{entry.name}: a migration is called NNNN_name.sql or NNNN_name.down.sql")
        direction = "down" if match["down"] else "up"
        # Line ends are no difference: a checkout on another system must have the same checksum.
        text = entry.read_text(encoding="utf-8").replace("\r\n", "\n")
        texts.setdefault((int(match["version"]), match["name"]), {})[direction] = text

    migrations: list[MigrationFile] = []
    for number, ((version, name), directions) in enumerate(sorted(texts.items()), start=1):
        if version != number:
            raise ValueError(f"migration {version:04}_{name} stands where {number:04} is expected")
        if len(directions) != 2:
            raise ValueError(f"migration {version:04}_{name} needs both a way forward and a way back")
        migration = MigrationFile(version, name, directions["up"], directions["down"])
        _ = migration.programs
        migrations.append(migration)
    return tuple(migrations)


@cache
def discover() -> tuple[MigrationFile, ...]:
    """The migrations of this program, oldest first."""
    return read_migrations(files(PACKAGE))
