"""The keys and the colours, on `?`."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from etl_core.rules.job_tone import Tone
from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.text_view import TextView
from etl_tui.app.look.theme import Look

_KEYS = (
    ("j k arrows", "down, up; PgDn PgUp: a page; g G, Home End: the ends"),
    ("Enter", "details of the job, its checkpoint included"),
    ("r", "run now; a job that is off runs once and stays off"),
    ("s", "settings: how often it runs, how soon it is retried"),
    ("o", "on or off; a run under way goes on to its end"),
    ("c", "cancel the run, after a question; what is loaded stays"),
    ("C", "clear failure, hold and snooze"),
    ("/", "filter as you type; Tab completes, Esc shows all"),
    ("< > =", "sort by the column beside, the other way round"),
    ("f", "failed jobs first, and back"),
    ("R, ctrl+r", "compare everything with the database now"),
    ("?", "this"),
    ("q, ctrl+c", "quit"),
)
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


class HelpDialog(Dialog[None]):
    """Closed by the key that opened it, by q, or by Escape."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,q", "close", "close", show=False)]

    def compose(self) -> ComposeResult:
        frame = Vertical(classes="frame tall")
        frame.border_title = "Help"
        frame.border_subtitle = self.look.glyphs.show("j k scroll · esc close")
        with frame:
            yield TextView(self.look)

    def on_mount(self) -> None:
        view = self.query_one(TextView)
        view.show_lines(_lines(self.look))
        view.focus()


def _lines(look: Look) -> list[list[Piece]]:
    lines = [[Piece(f"{key:<13}", look.title), Piece(word, look.text)] for key, word in _KEYS]
    lines += [[], [Piece("Filter terms, all of which hold", look.dim)]]
    lines += [[Piece(f"{term:<18}", look.title), Piece(meaning, look.text)] for term, meaning in _FILTERS]
    lines.append([])
    for tone, word, meaning in _TONES:
        lines.append([Piece(f"{tone.glyph} {word:<11}", look.tone(tone)), Piece(meaning, look.text)])
    lines.append([])
    lines += [[Piece(f"{text:<13}", look.title), Piece(meaning, look.text)] for text, meaning in _NEXT]
    return lines
