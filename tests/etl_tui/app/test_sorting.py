"""The order of the grid: by any column, both ways, failed ones first; the heading shows which."""

from __future__ import annotations

import pytest

from etl_core.models.job import JobRow
from etl_tui.app.dashboard.job_order import JobOrder
from tests.etl_tui.app.conftest import AddJob, Drive
from tests.rules.job_rows import ago, coming, job_row

JOBS = [
    job_row(id=1, job_name="b", schedule_interval_minutes=720, rows_extracted=5, due_at=coming(minutes=5)),
    job_row(id=2, job_name="A", status="FAILED", retry_count=3, rows_extracted=None, due_at=ago(minutes=5)),
    job_row(id=3, job_name="c", active=False, rows_extracted=900, due_at=None, integration=None),
    job_row(id=4, job_name="a", tenant="zoo", status="RUNNING", last_run_finished_at=ago(minutes=1)),
]


def names(jobs: list[JobRow]) -> str:
    return " ".join(job.job_name for job in jobs)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (JobOrder(), "A a b c"),
        (JobOrder(reverse=True), "c b a A"),
        (JobOrder("STATUS"), "A a b c"),
        (JobOrder("TENANT"), "A b c a"),
        (JobOrder("EVERY"), "A a c b"),
        (JobOrder("EVERY", reverse=True), "b A a c"),
        (JobOrder("ROWS"), "a c b A"),
        (JobOrder("ROWS", reverse=True), "b c a A"),
        (JobOrder("RETRIES"), "A a b c"),
        (JobOrder("LAST RUN"), "a A b c"),
        (JobOrder("NEXT"), "A a b c"),
        (JobOrder("NEXT", reverse=True), "b a A c"),
        (JobOrder("INTEGRATION"), "A a b c"),
        (JobOrder(reverse=True, failed_first=True), "A c b a"),
    ],
)
def test_orders(order: JobOrder, expected: str) -> None:
    assert names(order.sort(reversed(JOBS))) == expected


def test_the_column_beside_goes_round_and_the_same_one_turns() -> None:
    titles = ["STATUS", "JOB", "EVERY", "NOTE"]
    order = JobOrder()
    assert order.beside(titles, 1).title == "EVERY"
    assert order.beside(titles, 1).beside(titles, 1).title == "STATUS"
    assert order.beside(titles, -2).title == "EVERY"
    assert order.by("JOB").reverse and not order.by("JOB").by("EVERY").reverse
    assert order.by("NOTE") == order


async def test_keys_and_clicks_sort_and_the_heading_shows_it(drive: Drive, add_job: AddJob) -> None:
    await add_job("alpha", schedule_interval_minutes=720)
    await add_job("bravo", schedule_interval_minutes=60, retry_interval_minutes=15)
    await add_job("charlie", schedule_interval_minutes=240, status="FAILED", error_message="no")
    async with drive() as dashboard:
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 3)
        assert "▲JOB" in dashboard.line("heading")
        await dashboard.pilot.press("greater_than_sign")
        await dashboard.until(lambda: names(list(dashboard.grid.jobs)) == "bravo charlie alpha")
        assert "▲EVERY" in dashboard.line("heading")
        assert dashboard.grid.selected.job_name == "alpha"  # the cursor stays on its job
        await dashboard.pilot.press("equals_sign")
        await dashboard.until(lambda: names(list(dashboard.grid.jobs)) == "alpha charlie bravo")
        assert "▼EVERY" in dashboard.line("heading")
        await dashboard.pilot.press("f")
        await dashboard.until(lambda: names(list(dashboard.grid.jobs)) == "charlie alpha bravo")
        assert dashboard.line("heading").startswith(" ✖")
        at = dashboard.line("heading").index("JOB")
        await dashboard.pilot.click("#heading", offset=(at, 0))
        await dashboard.pilot.press("f")
        await dashboard.until(lambda: names(list(dashboard.grid.jobs)) == "alpha bravo charlie")
