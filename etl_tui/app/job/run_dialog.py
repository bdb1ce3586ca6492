"""Run now with options: everything again, or a range of the bookmark once."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ValidationError
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from etl_core.control.backfills import backfill_ranges, start_backfill
from etl_core.control.jobs import run_now
from etl_core.errors import EtlError
from etl_core.models.backfill import BackfillRequest
from etl_core.models.run import RunRow
from etl_core.rules.job_tone import Tone
from etl_core.validation_text import describe
from etl_tui.app.dialogs.choice_line import ChoiceLine
from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.dialogs.dialog_button import DialogButton
from etl_tui.app.job.desk import Desk
from etl_tui.app.look.cells import clean
from etl_tui.app.look.styled_line import Piece, StyledLine

USUAL, REFRESH, BACKFILL = range(3)
_WORDS = ("as usual", "full refresh", "backfill a range")
_TOLD = {
    USUAL: "Reads what is new since the last run.",
    REFRESH: "Reads everything again. What is there is compared, not doubled; the bookmark moves at the end.",
    BACKFILL: "Reads a range once. Neither the bookmark nor the next time moves.",
}


class RunDialog(Dialog[RunRow | None]):
    """Answers with the run that was started."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "run", show=False, priority=True)]
    DEFAULT_CSS = """
    RunDialog .row { height: 1; }
    RunDialog .label { width: 10; }
    RunDialog Input { width: 1fr; background: $field; color: $foreground; }
    RunDialog .range { display: none; }
    RunDialog .streams { display: none; }
    RunDialog.-backfill .range { display: block; }
    RunDialog.-backfill .streams, RunDialog.-refresh .streams { display: block; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.look)
        self._desk = desk
        self._mode = ChoiceLine(desk.look, _WORDS, name="mode", chosen=REFRESH)
        self._ranges = ""
        self._busy = False

    def compose(self) -> ComposeResult:
        show = self.look.glyphs.show
        frame = Vertical(classes="frame")
        frame.border_title = show(clean(f"Run · {self._desk.name}")).replace("[", r"\[")
        frame.border_subtitle = show("←→ choose · tab next · ^s run · esc close")
        with frame:
            with Horizontal(classes="row"):
                yield self._label("How")
                yield self._mode
            yield from self._field("Streams", "streams", "all; or names, with commas between", "streams")
            yield from self._field("From", "start", "2024-05-01, 7d, or a key", "range")
            yield from self._field("To", "end", "not part of it: 2024-06-01, now, or a key", "range")
            yield from self._field("Rows/s", "rate", "as fast as it goes", "range")
            yield Static("", id="sentence", markup=False)
            with Horizontal(id="buttons"):
                yield DialogButton(self.look, "Run now", name="yes")
                yield DialogButton(self.look, "Leave it", name="no")

    def _label(self, text: str) -> StyledLine:
        label = StyledLine(self.look, f"label-{text.lower().replace('/', '-')}")
        label.add_class("label")
        label.show([Piece(text, self.look.dim)])
        return label

    def _field(self, label: str, name: str, hint: str, group: str) -> ComposeResult:
        with Horizontal(classes=f"row {group}"):
            yield self._label(label)
            yield Input(id=name, compact=True, max_length=200, placeholder=hint)

    def on_mount(self) -> None:
        self._mode.focus()
        self._follow_mode()
        self.run_worker(self._read_ranges(), group="ranges")

    async def _read_ranges(self) -> None:
        """What a range can be of, or why there can be none."""
        job_id = self._desk.job.id
        try:
            found = await self._desk.source.ask(lambda conn: backfill_ranges(conn, job_id))
            named = [f"{'others' if stream == '*' else stream} by {kind}" for stream, kind in found.items()]
            self._ranges = ", ".join(named)
        except EtlError as refusal:
            told = str(refusal)
            self._ranges = told[:1].upper() + told[1:]
        self._follow_mode()

    @on(ChoiceLine.Changed)
    def _follow_mode(self) -> None:
        mode = self._mode.chosen
        self.set_class(mode == REFRESH, "-refresh")
        self.set_class(mode == BACKFILL, "-backfill")
        more = f" {self._ranges}." if mode == BACKFILL and self._ranges else ""
        self._say(_TOLD[mode] + more)

    def _say(self, text: str, *, refused: bool = False) -> None:
        sentence = self.query_one("#sentence", Static)
        glyph = f"{Tone.FAILED.glyph} " if refused else ""
        sentence.update(self.look.glyphs.show(f"{glyph}{clean(text)}"))
        sentence.set_class(refused, "-refused")

    @on(DialogButton.Pressed, "#yes")
    @on(Input.Submitted)
    def action_run(self) -> None:
        if not self._busy:
            self._busy = True
            self.run_worker(self._run(), group="run")

    @on(DialogButton.Pressed, "#no")
    def _no_pressed(self) -> None:
        self.action_close()

    async def _run(self) -> None:
        try:
            self.dismiss(await self._start())
        except ValidationError as refusal:
            self._say(describe(refusal), refused=True)
        except (EtlError, ValueError) as refusal:
            self._say(str(refusal), refused=True)
        except Exception as defect:
            self._say(f"unexpected {type(defect).__name__}: {defect}", refused=True)
        finally:
            self._busy = False

    async def _start(self) -> RunRow:
        job_id, mode = self._desk.job.id, self._mode.chosen
        streams = [name.strip() for name in self._value("streams").split(",") if name.strip()]
        if mode == BACKFILL:
            rate = self._value("rate")
            request = BackfillRequest(
                start=self._value("start"),
                end=self._value("end"),
                streams=streams or None,
                rate=float(rate) if rate else None,
            )
            return await self._desk.act(lambda conn, actor: start_backfill(conn, job_id, request, actor))
        options = {"full_refresh": streams or True} if mode == REFRESH else {}
        return await self._desk.act(lambda conn, actor: run_now(conn, job_id, actor, options=options))

    def _value(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()
