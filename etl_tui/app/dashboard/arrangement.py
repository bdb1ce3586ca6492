"""The lines of grid and cards: jobs in their order, or groups of them that can be folded. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from etl_core.models.job import JobRow
from etl_core.rules.job_tone import Tone, status_word, tone_of
from etl_tui.app.look.cells import clean

NO_INTEGRATION = "no integration"
_URGENCY = (Tone.FAILED, Tone.WAITING, Tone.RUNNING, Tone.FINISHED, Tone.READY, Tone.OFF)


class Grouping(StrEnum):
    """By what jobs are grouped."""

    TENANT = "tenant"
    INTEGRATION = "integration"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class Group:
    """A group's own line. `name` is clean and what the group is known by."""

    name: str
    jobs: tuple[JobRow, ...]
    folded: bool = False


Line: TypeAlias = JobRow | Group


def next_grouping(grouping: Grouping | None) -> Grouping | None:
    """Round: none, tenant, integration, status, none."""
    order: list[Grouping | None] = [None, *Grouping]
    return order[(order.index(grouping) + 1) % len(order)]


def group_name(job: JobRow, grouping: Grouping) -> str:
    """The group that a job belongs to: `acme`, `acme/jira-cloud (jira)`, `FAILED`."""
    if grouping is Grouping.TENANT:
        return clean(job.tenant)
    if grouping is Grouping.STATUS:
        return status_word(job)
    if job.integration is None:
        return NO_INTEGRATION
    return f"{clean(job.tenant)}/{integration_text(job)}"


def integration_text(job: JobRow) -> str:
    """The integration with its type: `jira-cloud (jira)`, just `github` when both are the same."""
    if job.integration is None:
        return ""
    kind = job.integration_type
    return clean(job.integration if kind in (None, job.integration) else f"{job.integration} ({kind})")


def arrange(
    jobs: Sequence[JobRow], grouping: Grouping | None, folded: Collection[str] = ()
) -> Sequence[Line]:
    """The jobs as they come, below the line of their group; of a folded group that line alone.

    Groups by name; those by status the most urgent first.
    """
    if grouping is None:
        return jobs
    members: dict[str, list[JobRow]] = {}
    for job in jobs:
        members.setdefault(group_name(job, grouping), []).append(job)
    if grouping is Grouping.STATUS:
        names = sorted(members, key=lambda name: (_URGENCY.index(tone_of(members[name][0])), name))
    else:
        names = sorted(members, key=lambda name: (name == NO_INTEGRATION, name.casefold(), name))
    lines: list[Line] = []
    for name in names:
        group = Group(name, tuple(members[name]), name in folded)
        lines.append(group)
        if not group.folded:
            lines += group.jobs
    return lines


def find_line(lines: Sequence[Line], wanted: Line, near: int, grouping: Grouping | None) -> int | None:
    """Where a job or group is now; a job that is folded away is at its group. `near` is looked at first."""
    if near < len(lines) and is_same(lines[near], wanted):
        return near
    home = group_name(wanted, grouping) if grouping and isinstance(wanted, JobRow) else None
    found = None
    for index, line in enumerate(lines):
        if is_same(line, wanted):
            return index
        if home is not None and isinstance(line, Group) and line.name == home and line.folded:
            found = index
    return found


def key_of_line(line: Line) -> int | str:
    """What a line is known by: the id of a job, the name of a group."""
    return line.name if isinstance(line, Group) else line.id


def is_same(one: Line, other: Line) -> bool:
    """Whether both are the line of the same job or group."""
    return key_of_line(one) == key_of_line(other)
