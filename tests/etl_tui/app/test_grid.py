"""The grid by itself: columns, colours, cursor, and that it draws no more than what changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region

from etl_core.models.job import JobRow
from etl_tui.app.dashboard.columns import Moment
from etl_tui.app.dashboard.grid import JobGrid
from etl_tui.app.dashboard.layout import choose_layout
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.look.cells import width_of
from etl_tui.app.look.theme import DARK, Look, choose_look
from tests.rules.job_rows import NOW, failed_row, job_row, running_row

LOOK = choose_look({"TERM": "screen-256color", "LANG": "C.UTF-8"})


class _Grid(JobGrid):
    """Counts what it is asked to draw again."""

    def __init__(self, look: Look) -> None:
        self.clock = DatabaseClock()
        self.clock.set(NOW)
        super().__init__(look, self.clock)
        self.drawn_again: list[Region] = []

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Self:
        self.drawn_again += regions or (self.size.region,)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


class _App(App[None]):
    def __init__(self, jobs: Sequence[JobRow], look: Look = LOOK) -> None:
        super().__init__()
        self.jobs, self.grid = jobs, _Grid(look)

    def compose(self) -> ComposeResult:
        yield self.grid

    def on_mount(self) -> None:
        self.grid.show_jobs(self.jobs)


def _many(count: int) -> list[JobRow]:
    return [job_row(id=number, job_name=f"job-{number:05}") for number in range(count)]


@pytest.mark.parametrize("width", [20, 40, 57, 58, 70, 80, 99, 100, 120, 140, 200])
def test_every_row_is_as_wide_as_the_grid(width: int) -> None:
    jobs = [job_row(), failed_row(job_name="日本" * 40, id=2), running_row(id=3)]
    layout = choose_layout(width, jobs)
    for title in layout.titles():
        assert title.start + len(title.shown) <= max(width, 13)
    for job in jobs:
        moment = Moment(NOW)
        strip_text = layout.status(job, moment) + layout.rest(job, moment, layout.ticking(job, moment))
        assert width_of(strip_text) == max(width, 13)


def test_the_columns_of_the_picture() -> None:
    jobs = [job_row(), failed_row(id=2)]
    titles = [title.title for title in choose_layout(80, jobs).titles()]
    assert titles == ["STATUS", "JOB", "EVERY", "LAST RUN", "NEXT", "NOTE"]


async def test_colours_are_those_of_the_palette() -> None:
    app = _App([failed_row(id=1), job_row(id=2), job_row(id=3, active=False)])
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.pause()
        styles = [[segment.style for segment in app.grid.render_line(y)] for y in range(3)]
    assert all(style is not None and style.bgcolor is not None for line in styles for style in line)
    failed, ready, off = (line[0] for line in styles)
    assert failed is not None and ready is not None and off is not None
    assert failed.bold and failed.color is not None and failed.color.name == DARK.failed
    assert failed.bgcolor is not None and failed.bgcolor.name == DARK.selected
    assert ready.color is not None and ready.color.name == DARK.ready
    assert styles[2][0] == styles[2][1]


async def test_two_segments_a_row() -> None:
    app = _App([job_row()])
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.pause()
        assert len(list(app.grid.render_line(0))) == 2


async def test_the_cursor_jumps_half_a_page_when_it_leaves_the_view() -> None:
    app = _App(_many(100))
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.pause()
        app.grid.move(9)
        assert app.grid.scroll_offset.y == 0
        app.grid.move(1)
        await pilot.pause()
        assert app.grid.scroll_offset.y == 5
        app.grid.move_to_last()
        await pilot.pause()
        assert app.grid.scroll_offset.y == 90
        app.grid.page(-1)
        await pilot.pause()
        assert app.grid.selected == app.grid.jobs[90]
        app.grid.move_to_first()
        await pilot.pause()
        assert app.grid.scroll_offset.y == 0


async def test_the_mouse_selects() -> None:
    app = _App(_many(5))
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.pause()
        await pilot.click(app.grid, offset=(20, 3))
        assert app.grid.selected == app.grid.jobs[3]


async def test_a_tick_that_changes_no_text_draws_nothing() -> None:
    app = _App(_many(1000))
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.pause()
        app.grid.drawn_again.clear()
        app.grid.tick()
        assert app.grid.drawn_again == []


async def test_a_change_draws_its_line_and_of_it_only_what_differs() -> None:
    jobs = _many(1000)
    app = _App(jobs)
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.pause()
        app.grid.drawn_again.clear()
        changed = [job_row(id=job.id, job_name=job.job_name, rows_new=1208) for job in jobs[3:4]]
        app.grid.show_jobs([*jobs[:3], *changed, *jobs[4:]])
        (region,) = app.grid.drawn_again
        assert (region.y, region.width, region.height) == (3, 1, 1)
        app.grid.drawn_again.clear()
        await pilot.pause()
        app.grid.drawn_again.clear()
        # A change out of sight draws nothing.
        app.grid.show_jobs([*app.grid.jobs[:500], *_many(501)[500:], *app.grid.jobs[501:]])
        assert app.grid.drawn_again == []


async def test_the_next_minute_draws_the_texts_that_changed() -> None:
    app = _App(_many(3))
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.pause()
        app.grid.drawn_again.clear()
        app.grid.clock.set(NOW.replace(minute=33))
        app.grid.tick()
        assert len(app.grid.drawn_again) == 3
        assert all(region.x > 30 and region.width < 30 for region in app.grid.drawn_again)


async def test_ascii_has_no_other_glyphs() -> None:
    plain = choose_look({"TERM": "screen-256color", "LC_ALL": "C"})
    app = _App([running_row(id=1), failed_row(id=2, job_name="日本"), job_row(id=3, due_at=None)], plain)
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.pause()
        lines = [app.grid.render_line(y) for y in range(3)]
    assert all(line.text.isascii() for line in lines)
    assert {line.cell_length for line in lines} == {79}
    assert lines[0].text.startswith(">> RUNNING")
    assert "====---- 62%" in lines[0].text
