"""A job's card: status, name, integration, interval, last and next run, retries, error or progress."""

from __future__ import annotations

from typing import Final

from rich.segment import Segment
from rich.style import Style

from etl_core.models.job import JobRow
from etl_core.rules.clock_text import NOTHING, ago_text
from etl_core.rules.intervals import short_interval
from etl_core.rules.job_tone import status_word, tone_of
from etl_core.rules.notes import next_text, note_text
from etl_tui.app.dashboard.arrangement import integration_text
from etl_tui.app.dashboard.columns import Moment, full_name
from etl_tui.app.dashboard.layout import gutter
from etl_tui.app.look.cells import clean, cut, fit, width_of
from etl_tui.app.look.theme import Look

CARD_LINES: Final = 6
KEYS: Final = " r run  s settings  o on/off "


def draw_card(job: JobRow, moment: Moment, look: Look, cells: int) -> list[list[Segment]]:
    """`CARD_LINES` lines of `cells` cells; the selected one names the keys on its lower edge."""
    tone = tone_of(job)
    state = look.tone(tone)
    text = state if tone.colour == "off" else look.text
    edge = state if moment.selected else look.dim
    inner = cells - 5
    last = _last_run(job, moment)
    retries = (
        f"{job.retry_count:,} {'retry' if job.retry_count == 1 else 'retries'}" if job.retry_count else ""
    )
    coming = next_text(job, moment.now)
    coming = "" if coming == NOTHING else coming if " " in coming else f"next {coming}"
    ran = " · ".join(filter(None, (last, coming, retries)))
    interval = f"Interval: {short_interval(job.schedule_interval_minutes)}"
    of = cut(integration_text(job) or "no integration", max(0, inner - len(interval) - 2))
    note = clean(note_text(job, moment.now, health=moment.health, seconds=moment.selected))
    head = f" {gutter(moment).strip()}{tone.glyph} {status_word(job)} "
    foot = KEYS if moment.selected and inner > len(KEYS) else ""
    bodies = (
        [(full_name(job), look.title if text is look.text else text)],
        [(fit(of, inner - len(interval)), look.dim if text is look.text else text), (interval, text)],
        [(ran, text)],
        [(note, state if job.status in ("FAILED", "RUNNING") else text)],
    )

    def shown(pieces: list[tuple[str, Style]]) -> list[Segment]:
        return [
            Segment(look.glyphs.show(piece), look.on_selected(style) if moment.selected else style)
            for piece, style in pieces
        ]

    top = "─" * max(0, cells - 3 - width_of(head))
    bottom = "─" * max(0, cells - 3 - len(foot))
    beside = Segment(" ", look.text)
    lines = [[*shown([("╭", edge), (head, state), (f"{top}╮", edge)]), beside]]
    for body in bodies:
        pieces, room = [], inner
        for piece, style in body:
            pieces.append((cut(piece, max(0, room)), style))
            room -= width_of(pieces[-1][0])
        padding = (" " * (max(0, room) + 1), text)
        lines.append([*shown([("│ ", edge), *pieces, padding, ("│", edge)]), beside])
    lines.append([*shown([("╰", edge), (foot, look.dim), (f"{bottom}╯", edge)]), beside])
    return lines


def _last_run(job: JobRow, moment: Moment) -> str:
    if job.status == "RUNNING":
        return "runs now"
    if job.last_run_finished_at is None:
        return "never ran"
    return f"last run {ago_text(job.last_run_finished_at, moment.now)}"
