"""Groups of jobs: every job in one, in its order, foldable, and the cursor keeps its place."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from etl_core.models.job import JobRow
from etl_tui.app.dashboard.arrangement import (
    Group,
    Grouping,
    Line,
    arrange,
    find_line,
    group_name,
    next_grouping,
)
from tests.rules.job_rows import failed_row, job_row, running_row

JOBS = [
    job_row(id=1, job_name="b", tenant="zoo", integration="jira-cloud", integration_type="jira"),
    failed_row(id=2, job_name="a", tenant="acme", integration="github", integration_type="github"),
    running_row(id=3, job_name="c", tenant="acme", integration=None),
    job_row(id=4, job_name="d", tenant="acme", active=False, integration="github", integration_type="github"),
]


def told(lines: Sequence[Line]) -> list[str]:
    return [f"[{line.name}]" if isinstance(line, Group) else line.job_name for line in lines]


def test_groups_by_tenant_integration_and_status() -> None:
    assert told(arrange(JOBS, None)) == ["b", "a", "c", "d"]
    assert told(arrange(JOBS, Grouping.TENANT)) == ["[acme]", "a", "c", "d", "[zoo]", "b"]
    by_integration = ["[acme/github]", "a", "d", "[zoo/jira-cloud (jira)]", "b", "[no integration]", "c"]
    assert told(arrange(JOBS, Grouping.INTEGRATION)) == by_integration
    by_status = ["[FAILED]", "a", "[RUNNING]", "c", "[READY]", "b", "[READY off]", "d"]
    assert told(arrange(JOBS, Grouping.STATUS)) == by_status
    assert told(arrange(JOBS, Grouping.TENANT, {"acme"})) == ["[acme]", "[zoo]", "b"]


def test_the_groupings_go_round() -> None:
    seen: list[Grouping | None] = [None]
    for _ in range(4):
        seen.append(next_grouping(seen[-1]))
    assert seen == [None, Grouping.TENANT, Grouping.INTEGRATION, Grouping.STATUS, None]


jobs = st.lists(
    st.builds(
        lambda number, tenant, status, name: job_row(id=number, tenant=tenant, status=status, job_name=name),
        st.integers(0, 10_000),
        st.sampled_from(["acme", "Zoo", "日本"]),
        st.sampled_from(["READY", "FAILED", "FINISHED"]),
        st.text(max_size=4),
    ),
    unique_by=lambda job: job.id,
    max_size=20,
)


@settings(max_examples=40)
@given(jobs, st.sampled_from(Grouping), st.sets(st.sampled_from(["acme", "READY", "日本"])))
def test_no_job_is_lost_or_out_of_order(rows: list[JobRow], grouping: Grouping, folded: set[str]) -> None:
    lines = arrange(rows, grouping, folded)
    groups = [line for line in lines if isinstance(line, Group)]
    assert sorted(job.id for group in groups for job in group.jobs) == sorted(job.id for job in rows)
    for group in groups:
        assert list(group.jobs) == [job for job in rows if group_name(job, grouping) == group.name]
        below = lines[lines.index(group) + 1 :][: len(group.jobs)]
        assert group.folded or list(below) == list(group.jobs)
    for job in rows:
        at = find_line(lines, job, 0, grouping)
        assert at is not None
        found = lines[at]
        assert found is job or (isinstance(found, Group) and found.folded and job in found.jobs)
