"""Marks: what is done to many at once is done to them, and their count is always to be seen."""

from __future__ import annotations

from etl_tui.app.dashboard.marks import Marks
from tests.etl_tui.app.conftest import AddJob, Drive, Driven


def test_a_range_adds_to_what_is_marked_and_can_be_dropped() -> None:
    marks, shown = Marks(), [10, 20, 30, 40, 50]
    marks.toggle(50)
    marks.begin_range(20)
    marks.draw_range(40, shown)
    assert marks.ids == {20, 30, 40, 50}
    marks.draw_range(10, shown)
    assert marks.ids == {10, 20, 50}
    marks.drop_range()
    assert marks.ids == {50}
    marks.begin_range(10, held=True)
    marks.draw_range(20, shown)
    marks.end_held()
    marks.invert([10, 30, 40])
    assert marks.ids == {20, 30, 40, 50}
    marks.keep_only({30, 60})
    assert marks.ids == {30}
    marks.toggle_all([30, 40])
    assert marks.ids == {30, 40}
    marks.toggle_all([30, 40])
    assert not marks.ids


def _marked(dashboard: Driven) -> list[str]:
    return [
        row.split()[3] if row.split()[2] == "off" else row.split()[2]
        for row in dashboard.rows()
        if row[0] == "■"
    ]


async def test_marks_outlive_refresh_sort_and_filter(drive: Drive, add_job: AddJob) -> None:
    for name in ("alpha", "bravo", "charlie", "delta", "echo"):
        await add_job(name)
    async with drive() as dashboard:
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 5)
        press = dashboard.pilot.press
        await press("space")  # and the cursor goes on
        await dashboard.until(lambda: "■ 1 marked" in dashboard.line("hints"))
        await dashboard.until(lambda: "■● READY      acme/alpha" in dashboard.screen_text())
        await dashboard.until(lambda: "›● READY      acme/bravo" in dashboard.screen_text())
        await press("j", "V", "j")
        await dashboard.until(lambda: "■ 3 marked" in dashboard.line("hints"))
        await press("V", "j")  # kept, and no longer drawn
        await dashboard.until(lambda: _marked(dashboard) == ["acme/alpha", "acme/charlie", "acme/delta"])
        await press("equals_sign")
        await dashboard.until(lambda: _marked(dashboard) == ["acme/delta", "acme/charlie", "acme/alpha"])
        await press("slash", *"charlie", "enter")
        await dashboard.until(lambda: "■ 3 marked, 2 not shown" in dashboard.line("hints"))
        await press("exclamation_mark")
        await dashboard.until(lambda: "■ 2 marked, 2 not shown" in dashboard.line("hints"))
        await press("asterisk", "slash", "escape", "R")
        await dashboard.until(lambda: "■ 3 marked" in dashboard.line("hints"))
        await press("escape")  # first the marks, then the filter
        await dashboard.until(lambda: "marked" not in dashboard.line("hints"))
        assert len(dashboard.grid.jobs) == 1
        await press("escape")
        await dashboard.until(lambda: len(dashboard.grid.jobs) == 5)
        await press("colon", *"mark-all charlie", "enter")
        await dashboard.until(lambda: _marked(dashboard) == ["acme/charlie"])
        await press("escape", "g", "shift+down", "shift+down", "j")
        await dashboard.until(lambda: len(_marked(dashboard)) == 3)
