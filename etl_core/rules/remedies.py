"""What to do about a failed run, by the kind of its error. Pure texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from etl_core.errors import ErrorKind

_REMEDIES: Final[Mapping[ErrorKind, str]] = {
    ErrorKind.TRANSIENT: "may pass by itself: it is tried again; where it stays, look at the source",
    ErrorKind.RATE_LIMITED: "the source said when to come back: wait",
    ErrorKind.UNAUTHORISED: "renew the credential, then run it (r) or clear the hold (C)",
    ErrorKind.PERMANENT: "fails the same way until the source, the configuration or the checkpoint changes",
    ErrorKind.PARTITIONS: "only the partitions that failed are tried again; the others have moved on",
    ErrorKind.REJECTS: "look at the rejects: mend the records or the source, then replay them",
    ErrorKind.DEADLINE: "it took longer than its deadline: see which stage did, or give it more time",
    ErrorKind.LOST: "three workers died of it: see the last lines of its log, mostly memory",
    ErrorKind.INTERNAL: "a defect of a connector or of this program: its log has the last lines",
}


def remedy(error_kind: str | None) -> str:
    """One line; empty where there is no error or its kind is not known."""
    known = {kind.value for kind in ErrorKind}
    return _REMEDIES[ErrorKind(error_kind)] if error_kind in known else ""
