"""What the help of the dashboard tells below its keys: the filter's language, glyphs, and the NEXT column."""

from __future__ import annotations

from etl_core.rules.job_tone import Tone
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look

_FILTERS = (
    ("acme/git", "in tenant/job, integration or its type"),
    ("failed held", "also ready running finished off overdue waiting"),
    ("tenant:ac*,globex", "also job integration type status error kind note"),
    ('error~"no route"', "holds the text"),
    ("late>1h", "also every retry age success: times, and"),
    ("rows>1000", "retries rejected"),
    ("-github", "not"),
)
_TONES = (
    (Tone.READY, "READY", "waits for its next time"),
    (Tone.RUNNING, "RUNNING", "a run is queued or under way"),
    (Tone.WAITING, "RUNNING", "the run waits: a limit, a pause, a busy integration"),
    (Tone.WAITING, "READY held", "the job waits for a person"),
    (Tone.FINISHED, "FINISHED", "just succeeded; READY again in a minute"),
    (Tone.FAILED, "FAILED", "failed; retried after the shorter interval"),
    (Tone.OFF, "off", "switched off, by a person or after too many failures"),
)
_NEXT = (
    ("2m", "starts in two minutes"),
    ("retry 18m", "tried again after a failure"),
    ("late 4m", "due for four minutes, and nobody took it"),
)


def legend(look: Look) -> list[list[Piece]]:
    """Lines for the help."""
    lines = [[Piece("Filter terms, all of which hold", look.dim)]]
    lines += [[Piece(f"{term:<18}", look.title), Piece(meaning, look.text)] for term, meaning in _FILTERS]
    lines.append([])
    for tone, word, meaning in _TONES:
        lines.append([Piece(f"{tone.glyph} {word:<11}", look.tone(tone)), Piece(meaning, look.text)])
    lines.append([])
    lines += [[Piece(f"{text:<13}", look.title), Piece(meaning, look.text)] for text, meaning in _NEXT]
    return lines
