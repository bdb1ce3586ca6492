"""Whatever a name or an error holds, every column of rows, cards and preview keeps its place."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from textual.strip import Strip

from etl_tui.app.dashboard.card import draw_card
from etl_tui.app.dashboard.columns import CATALOGUE, Moment
from etl_tui.app.dashboard.layout import choose_layout
from etl_tui.app.dashboard.preview_lines import job_lines
from etl_tui.app.look.cells import width_of, wrap
from etl_tui.app.look.theme import Look, choose_look
from tests.rules.job_rows import NOW, failed_row

LOOK = choose_look({"TERM": "screen-256color", "LANG": "C.UTF-8"})
PLAIN = choose_look({"TERM": "screen-256color", "LC_ALL": "C"})
texts = st.text(
    alphabet=st.one_of(
        st.sampled_from("ab/-_ 日本語אבجع[]\n\t\r\x07\x1b\x9b"),
        st.sampled_from("\u0301\u093f\u0948\u200b\u200d\u202e\u200f\U0001f44d\U0001f3fd\U0001f469"),
        st.characters(codec="utf-8"),
    ),
    min_size=1,
    max_size=40,
)


def _is_clean(text: str) -> bool:
    return all(unicodedata.category(char) not in ("Cc", "Zl", "Zp") for char in text)


@given(name=texts, tenant=texts, error=texts, width=st.integers(40, 200), look=st.sampled_from([LOOK, PLAIN]))
def test_every_column_of_a_row_begins_where_its_title_does(
    name: str, tenant: str, error: str, width: int, look: Look
) -> None:
    job = failed_row(job_name=name, tenant=tenant, error_message=error, integration=name)
    every = [column.title for column in CATALOGUE]
    for layout in (choose_layout(width, [job]), choose_layout(width, [job], chosen=every)):
        moment = Moment(NOW)
        head = layout.status(job, moment)
        row = look.glyphs.show(head + layout.rest(job, moment, layout.ticking(job, moment)))
        assert width_of(row) == width
        assert _is_clean(row)
        strip, at = Strip([Segment(row)]), width_of(head)
        for column in layout.columns:
            shown = strip.crop(at, at + column.taken).text
            assert shown == look.glyphs.show(column.placed(column.text(job, moment)))
            at += column.taken


@given(name=texts, error=texts, cells=st.integers(24, 80), selected=st.booleans())
def test_every_line_of_a_card_is_as_wide_as_the_card(
    name: str, error: str, cells: int, selected: bool
) -> None:
    job = failed_row(job_name=name, error_message=error, integration=name)
    lines = draw_card(job, Moment(NOW, selected), LOOK, cells)
    assert {sum(width_of(segment.text) for segment in line) for line in lines} == {cells}
    assert all(_is_clean(segment.text) for line in lines for segment in line)


@given(name=texts, error=texts, cells=st.integers(24, 60))
def test_the_preview_is_clean_and_wraps(name: str, error: str, cells: int) -> None:
    lines = job_lines(failed_row(job_name=name, error_message=error), NOW, LOOK, cells)
    assert all(_is_clean(text) for line in lines for text, _ in line)
    assert all(width_of(line) <= cells for line in wrap(error, cells))
