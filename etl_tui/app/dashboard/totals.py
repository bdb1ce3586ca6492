"""How many jobs are in which state: what header and group lines count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from etl_core.models.job import JobRow
from etl_core.rules.job_tone import Tone
from etl_tui.app.look.cells import width_of
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look

TONES: Mapping[str, Tone] = {
    "failed": Tone.FAILED,
    "running": Tone.RUNNING,
    "held": Tone.WAITING,
    "ready": Tone.READY,
    "off": Tone.OFF,
}
"""In the order of the screen."""
_GIVE_WAY = ("off", "held", "ready", "running", "failed")
"""In this order when there is too little room."""


def state_of(job: JobRow) -> str:
    """Which total a job counts in: what rests is ready whether it just finished or not."""
    if job.status == "RUNNING":
        return "running"
    if not job.active:
        return "off"
    if job.status == "FAILED":
        return "failed"
    return "held" if job.held else "ready"


def count_states(jobs: Sequence[JobRow]) -> Counter[str]:
    """Jobs by `state_of`."""
    return Counter(map(state_of, jobs))


def totals_pieces(totals: Mapping[str, int], look: Look, room: int) -> list[Piece]:
    """`✖ 3 failed  ▶ 2 running`: those that are not 0, as many as there is room for."""
    pieces = {
        word: Piece(f" {tone.glyph} {totals[word]:,} {word} ", look.tone(tone))
        for word, tone in TONES.items()
        if totals.get(word)
    }
    for word in _GIVE_WAY:
        if sum(width_of(text) for text, _ in pieces.values()) > room:
            pieces.pop(word, None)
    return list(pieces.values())


def totals_bar(totals: Mapping[str, int], look: Look, cells: int) -> list[Piece]:
    """The same as a bar: every state that there is has a cell at least, the others share by their numbers."""
    there = [word for word in TONES if totals.get(word)]
    if not there or cells < len(there):
        return []
    total = sum(totals[word] for word in there)
    share = {word: max(1, round(cells * totals[word] / total)) for word in there}
    largest = max(there, key=lambda word: share[word])
    share[largest] += cells - sum(share.values())
    return [Piece("━" * share[word], look.tone(TONES[word])) for word in there]
