"""A line of a run's log, as it is printed."""

from __future__ import annotations

from etl_core.rules.log_text import line_text


def test_what_a_line_is_about_stands_behind_it() -> None:
    fields = {"bytes": 1_200, "seq": "3-9", "state": "FAILED", "why": "two words", "flag": True}
    assert line_text("run ended", fields) == (
        'run ended  state=FAILED seq=3-9 bytes=1,200 why="two words" flag=true'
    )
    assert line_text("... 7 lines left out ...", {"lines_left_out": 7}) == "... 7 lines left out ..."
