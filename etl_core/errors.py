"""What can go wrong, in the words that people and exit codes use.

Two families. An `EtlError` is told to the person or program that asked for something and carries the
exit code of the command line. A `SourceError` is raised by a connector or by the loader while a job
runs; its *kind* decides what happens to the run and when the job is tried again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from etl_core.secret_values import mask


class ExitCode(IntEnum):
    """Exit codes of every command (a contract: scripts branch on them)."""

    DONE = 0
    FAILED = 1
    INVALID = 2
    NOT_FOUND = 3
    CONFLICT = 4
    UNREACHABLE = 5


class EtlError(Exception):
    """One line that names the thing and says what to do; never a traceback for its reader."""

    exit_code = ExitCode.FAILED


class InvalidInput(EtlError):
    """What was given cannot be right: an unknown field, retry >= schedule, a secret in clear."""

    exit_code = ExitCode.INVALID


class NotFound(EtlError):
    """No job, tenant, integration or run of that name or id."""

    exit_code = ExitCode.NOT_FOUND


class Conflict(EtlError):
    """The state does not allow it now: already running, changed meanwhile, schema behind or ahead."""

    exit_code = ExitCode.CONFLICT


class Unreachable(EtlError):
    """A service (database, broker) does not answer or refuses us."""

    exit_code = ExitCode.UNREACHABLE


class Fenced(Exception):
    """The lease of this run or batch was raised: another holder goes on, so this one writes nothing more."""


class ErrorKind(StrEnum):
    """Why a run failed; stored in `job_runs.error_kind` and `etl_jobs.error_kind`."""

    TRANSIENT = "transient"
    """May pass by itself: tried again after the retry interval."""
    RATE_LIMITED = "rate_limited"
    """The source said when to come back: the run waits, it does not fail."""
    UNAUTHORISED = "unauthorised"
    """A person must renew a credential: the job is held."""
    PERMANENT = "permanent"
    """Will fail the same way until somebody changes something: waits for the normal interval."""
    PARTITIONS = "partitions"
    """Some partitions could not be read: only those are tried again after the retry interval."""
    REJECTS = "rejects"
    """Too many records were refused."""
    DEADLINE = "deadline"
    """It took longer than the job allows."""
    LOST = "lost"
    """Three workers were lost on it."""
    INTERNAL = "internal"
    """A defect of ours or of a connector: an exception nobody expected."""


class SourceError(Exception):
    """Base of what a connector raises. `str(error)` is shown to people: name what failed, say what to do.

    Never put a secret into the message: sources repeat what they were sent. One that this process has read is
    masked here, whoever raises the error.
    """

    kind = ErrorKind.INTERNAL

    def __init__(self, *told: object) -> None:
        super().__init__(*(mask(part) if isinstance(part, str) else part for part in told))


class Transient(SourceError):
    """May pass: a timeout, a 502, a file that is not there yet.

    `retry_in_place=False` says that waiting a few seconds inside the run cannot help, so the run fails at
    once and the job is tried again after its retry interval.
    """

    kind = ErrorKind.TRANSIENT

    def __init__(self, message: str, *, retry_in_place: bool = True) -> None:
        super().__init__(message)
        self.retry_in_place = retry_in_place


class RateLimited(SourceError):
    """The source asked us to come back; the run is parked and frees its worker.

    Args:
        until: a moment that the source named (aware); or how long from now, which the database's clock then
            counts: never add it to this machine's, which may be wrong by hours.
    """

    kind = ErrorKind.RATE_LIMITED

    def __init__(self, message: str, *, until: datetime | timedelta) -> None:
        super().__init__(message)
        if isinstance(until, datetime) and until.tzinfo is None:
            raise ValueError("RateLimited.until must carry a time zone")
        self.until = until


class Unauthorised(SourceError):
    """The credential is refused or missing."""

    kind = ErrorKind.UNAUTHORISED


class Permanent(SourceError):
    """Fails the same way until somebody changes the source or the configuration."""

    kind = ErrorKind.PERMANENT


class BadRecord(SourceError):
    """One record cannot be used; it is kept as a reject with this message, the rest goes on."""

    kind = ErrorKind.REJECTS
