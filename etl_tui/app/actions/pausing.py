"""`:pause tenant acme migration until tonight`, `:resume acme/jira`: what is written behind it."""

from __future__ import annotations

from collections.abc import Sequence

from etl_core.control.places import Place
from etl_core.errors import InvalidInput
from etl_core.models.job import JobRow

TAKES = "all|TENANT|TENANT/INTEGRATION REASON"
_KINDS = ("tenant", "integration")


def read_pause(text: str) -> tuple[Place, str]:
    """A place and the reason; the word `tenant` or `integration` may stand before it.

    Raises:
        InvalidInput: no place, or no reason.
    """
    words = text.split()
    if len(words) > 1 and words[0] in _KINDS:
        words = words[1:]
    place = Place.parse(words[0] if words else "")
    if len(words) < 2:
        raise InvalidInput(f"pause {place}: a reason is missing: others will ask why nothing runs")
    return place, " ".join(words[1:])


def read_resume(text: str) -> Place:
    """A place.

    Raises:
        InvalidInput: none, or more than that.
    """
    words = text.split()
    if len(words) > 1 and words[0] in _KINDS:
        words = words[1:]
    if len(words) != 1:
        raise InvalidInput("resume one place: all, TENANT or TENANT/INTEGRATION")
    return Place.parse(words[0])


def places(text: str, jobs: Sequence[JobRow]) -> list[str]:
    """Places that begin with what is written, from the jobs that there are."""
    kind, blank, begun = text.partition(" ")
    lead = f"{kind} " if blank and kind in _KINDS else ""
    if blank and not lead:
        return []
    begun = begun if lead else text
    known = {"all"} if not lead else set()
    if kind != "integration" or not lead:
        known |= {job.tenant for job in jobs}
    if kind != "tenant" or not lead:
        known |= {f"{job.tenant}/{job.integration}" for job in jobs if job.integration}
    return [f"{lead}{place}" for place in sorted(known) if place.startswith(begun) and " " not in place]
