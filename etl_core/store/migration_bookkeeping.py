"""What `schema_migrations` says, held against the files that this program knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from etl_core.errors import Conflict
from etl_core.store.migration_files import MigrationFile
from etl_core.store.queries import load

if TYPE_CHECKING:
    from etl_core.store.database import Connection

queries = load("migrations")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A migration in force, as the database remembers it."""

    version: int
    name: str
    checksum: str
    programs: str
    applied_at: datetime
    applied_program: str
    legacy_timezone: str

    @property
    def label(self) -> str:
        return f"{self.version:04}_{self.name}"


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """One line of `db status`; `unknown` is in force, but no file of this program."""

    version: int
    name: str
    state: Literal["applied", "pending", "edited", "unknown"]
    applied_at: datetime | None


async def read_recorded(conn: Connection) -> list[Recorded]:
    """The migrations in force, oldest first; none when there is no bookkeeping."""
    if not await queries.has_bookkeeping(conn):
        return []
    return [Recorded(**row) async for row in queries.applied(conn)]


def compare(known: Sequence[MigrationFile], recorded: Sequence[Recorded]) -> list[MigrationStatus]:
    """Files and bookkeeping side by side, by version."""
    files = {file.version: file for file in known}
    rows = {row.version: row for row in recorded}
    compared: list[MigrationStatus] = []
    for version in sorted(files.keys() | rows.keys()):
        file, row = files.get(version), rows.get(version)
        match file, row:
            case MigrationFile(), None:
                compared.append(MigrationStatus(version, file.name, "pending", None))
            case None, Recorded():
                compared.append(MigrationStatus(version, row.name, "unknown", row.applied_at))
            case MigrationFile(), Recorded() if file.checksum == row.checksum:
                compared.append(MigrationStatus(version, row.name, "applied", row.applied_at))
            case MigrationFile(), Recorded():
                compared.append(MigrationStatus(version, row.name, "edited", row.applied_at))
    return compared


def refuse_edited(known: Sequence[MigrationFile], recorded: Sequence[Recorded]) -> None:
    """Refuses when a migration in force is not what this program has under its number.

    Raises:
        Conflict: naming it, both checksums (their first 8 digits), and the program that applied it.
    """
    files = {file.version: file for file in known}
    for row in recorded:
        file = files.get(row.version)
        if file is not None and file.checksum != row.checksum:
            raise Conflict(
                f"migration {row.label} was edited after etl-tui {row.applied_program} applied it: checksum "
                f"{row.checksum[:8]} in the database, {file.checksum[:8]} in this program. "
                "Restore the file, and put the change into a migration of its own"
            )


def refuse_gap(known: Sequence[MigrationFile], recorded: Sequence[Recorded]) -> None:
    """Refuses when an older migration is missing under a newer one.

    Raises:
        Conflict: naming the missing one.
    """
    rows = {row.version for row in recorded}
    for file in known:
        if rows and file.version not in rows and file.version < max(rows):
            raise Conflict(
                f"migration {file.label} is not in force although {max(rows):04} is: go back behind it with "
                f"`etl-tui db rollback --to {file.version - 1}`, then `etl-tui db migrate`"
            )
