"""The text of a run's first tab: what it brought, its stages, who holds what, its batches. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import itemgetter

from etl_core.models.run import BatchRow, Hand, RunDetails, StageSpan
from etl_core.rules.clock_text import clock_text, wait_text
from etl_core.rules.counts_text import rate_text, result_parts
from etl_core.rules.job_tone import Tone
from etl_core.rules.remedies import remedy
from etl_core.rules.run_differences import checkpoint_text
from etl_tui.app.job.checkpoint.value_words import size_text
from etl_tui.app.job.runs.gantt import gantt_lines
from etl_tui.app.job.runs.run_list import RUN_TONES
from etl_tui.app.job.runs.run_words import by_text, took_text
from etl_tui.app.look.cells import clean, fit, wrap
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look

_LABEL = 10
_BATCH_TONES = {"SET_ASIDE": Tone.FAILED, "LEASED": Tone.RUNNING, "WAITING": Tone.WAITING}

Lines = list[list[Piece]]


def stage_lines(
    look: Look,
    run: RunDetails,
    spans: Sequence[StageSpan],
    batches: Sequence[BatchRow],
    *,
    now: datetime,
    width: int,
) -> Lines:
    """All of it; `batches` are the newest first."""
    return [
        *_facts(look, run, now, width),
        [],
        *_stages(look, run),
        *_titled(look, "WHEN", gantt_lines(look, spans, now, width)),
        *_titled(look, "WORKERS", [_hand(look, hand, now) for hand in run.hands]),
        *_titled(look, "BATCHES, THE NEWEST FIRST", [_batch(look, batch) for batch in batches]),
    ]


def _facts(look: Look, run: RunDetails, now: datetime, width: int) -> Lines:
    room = max(20, width - _LABEL - 3)
    tone = RUN_TONES[run.state]
    started = f", started {clock_text(run.started_at, now)}" if run.started_at else ""
    ended = f", ended {clock_text(run.finished_at, now)}" if run.finished_at else ""
    told: list[tuple[str, str]] = [
        ("STATE", f"{tone.glyph} {run.state}" + (f", waits: {run.wait_reason}" if run.wait_reason else "")),
        ("BY", by_text(run)),
        (
            "WHEN",
            f"queued {clock_text(run.queued_at, now)}{started}{ended}, took {took_text(run.seconds) or '–'}",
        ),
        (
            "ROWS",
            f"{run.rows_extracted:,} read: {', '.join(result_parts(run))}; {run.rows_unchanged:,} unchanged",
        ),
        ("0 ROWS", run.explanation or ""),
        ("POINT", checkpoint_text(run)),
        ("LOST", f"{run.losses:,} workers" if run.losses else ""),
        ("ERROR", ": ".join(filter(None, (run.error_kind, run.error_message)))),
        ("", remedy(run.error_kind)),
    ]
    lines = []
    for label, text in filter(itemgetter(1), told):
        style = (
            look.tone(Tone.FAILED) if label == "ERROR" else look.tone(tone) if label == "STATE" else look.text
        )
        for index, part in enumerate(wrap(clean(text), room)):
            shown = label if index == 0 else ""
            lines.append([Piece(f" {shown:<{_LABEL}}", look.dim), Piece(part, style)])
    return lines


def _stages(look: Look, run: RunDetails) -> Lines:
    if not run.progress:
        return []
    lines = [[Piece(f" {'STREAM':<24}{'STAGE':<11}{'ROWS':>12}{'BYTES':>10}{'PACE':>10}", look.dim)]]
    for part in run.progress:
        pace = rate_text(part.rows, part.rows / part.rows_per_second) if part.rows_per_second else ""
        head = f" {fit(clean(part.stream), 23)} {part.stage:<11}"
        lines.append([Piece(f"{head}{part.rows:>12,}{size_text(part.bytes):>10}{pace:>10}", look.text)])
    if run.state.is_open:
        left = run.seconds_left
        told = [f"{run.lag:,} rows read and not yet loaded"]
        if run.batches_waiting:
            told.append(f"{run.batches_waiting:,} batches in nobody's hands")
        if left:
            told.append(f"done in about {wait_text(timedelta(seconds=left), seconds=True)}")
        lines.append([Piece(f" {' · '.join(told)}", look.text)])
    return [*lines, []]


def _hand(look: Look, hand: Hand, now: datetime) -> list[Piece]:
    holds = f"holds {hand.batches:,} batches, {hand.rows:,} rows" if hand.batches else "holds no batch"
    since = f" since {clock_text(hand.since, now)}" if hand.since else ""
    reads = ", reads" if hand.extracts else ""
    pace = f", {hand.rows_per_second:,.0f} rows/s" if hand.rows_per_second else ""
    style = look.text if hand.state in ("alive", "draining", "stopped") else look.tone(Tone.FAILED)
    told = f"{holds}{since}{reads}; loaded {hand.batches_loaded:,} batches, {hand.rows_loaded:,} rows{pace}"
    return [Piece(f" {clean(hand.worker)} {hand.state}  ", style), Piece(told, look.text)]


def _batch(look: Look, batch: BatchRow) -> list[Piece]:
    tone = _BATCH_TONES.get(batch.state)
    doing = (
        batch.state if batch.state in ("LOADED", "DISCARDED", "SET_ASIDE") else f"{batch.stage} {batch.state}"
    )
    worker = f"  {batch.worker}" if batch.worker else ""
    tries = f"  {batch.attempts:,} workers lost" if batch.attempts else ""
    error = f"  {batch.error}" if batch.error else ""
    return [
        Piece(f" {batch.seq:>6}  ", look.text),
        Piece(f"{doing:<18}", look.tone(tone) if tone else look.dim),
        Piece(
            f"{batch.rows:>8,} rows{size_text(batch.bytes):>9}{took_text(batch.age_seconds):>7}", look.text
        ),
        Piece(f"  {clean(f'{batch.lane}{worker}{tries}{error}')}", look.dim),
    ]


def _titled(look: Look, title: str, lines: Lines) -> Lines:
    return [[Piece(f" {title}", look.dim)], *lines, []] if lines else []
