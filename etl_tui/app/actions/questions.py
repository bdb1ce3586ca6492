"""What is asked before an action that needs to know more: until when, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from etl_core.rules.clock_text import until_text
from etl_core.rules.intervals import humanise_minutes, parse_interval
from etl_core.rules.moments import moment_text, parse_moment
from etl_tui.app.dialogs.prompt_dialog import PromptDialog
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.look.theme import Look

_FOR = re.compile(r"^(?P<reason>.+?)\s+for\s+(?P<span>\d[\w. ]*)$", re.DOTALL)


def ask_snooze(look: Look, whom: str, clock: DatabaseClock) -> PromptDialog[datetime]:
    """Answers with a moment to come."""
    return PromptDialog(
        look,
        f"Snooze · {whom}",
        label="Until",
        hint="2h, 06:00, tomorrow 08:00 or 2026-11-25 06:00",
        yes="Snooze",
        read=lambda text: parse_moment(text, clock.now()),
        meaning=lambda until: (
            f"Does not start by itself before {moment_text(until)}, in {until_text(until, clock.now())}."
        ),
    )


def ask_streams(look: Look, whom: str, known: Sequence[str]) -> PromptDialog[tuple[str, ...]]:
    """Answers with the streams to be read from their beginning, none for all. `known` have a checkpoint."""
    there = f"of {', '.join(known)}; " if known else ""
    return PromptDialog(
        look,
        f"Full refresh · {whom}",
        label="Streams",
        hint=f"{there}none: everything is read again",
        yes="Read again",
        read=read_streams,
        meaning=lambda streams: (
            f"Reads {', '.join(streams)} from the beginning again; the checkpoint of before holds until then."
        ),
    )


def read_streams(text: str) -> tuple[str, ...]:
    """Names with blanks or commas between; `all` and nothing mean all."""
    names = tuple(dict.fromkeys(text.replace(",", " ").split()))
    return () if names == ("all",) else names


def ask_hold(look: Look, whom: str) -> PromptDialog[tuple[str, int | None]]:
    """Answers with a reason, and minutes where the hold ends by itself."""
    return PromptDialog(
        look,
        f"Hold · {whom}",
        label="Because",
        hint="the reason; with `for 2h` at its end the hold ends by itself",
        yes="Hold",
        read=read_hold,
        meaning=_hold_meaning,
    )


def _hold_meaning(answer: tuple[str, int | None]) -> str:
    reason, minutes = answer
    return f"Waits {f'for {humanise_minutes(minutes)}' if minutes else 'until it is cleared'}: {reason}"


def read_hold(text: str) -> tuple[str, int | None]:
    """`token is renewed for 2h`: a reason, and the minutes that the hold lasts if they stand at its end.

    Raises:
        ValueError: no reason.
    """
    text = " ".join(text.split())
    if not text:
        raise ValueError("a hold needs a reason: others will ask why the job waits")
    if found := _FOR.match(text):
        try:
            return found["reason"], parse_interval(found["span"])
        except ValueError:
            pass  # `waits for 3 people` is a reason
    return text, None
