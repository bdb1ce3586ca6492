"""What a repair would do, told before it is done; it asks for a reason, which is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from textwrap import wrap
from typing import ClassVar

from rich.style import Style
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from etl_core.control import checkpoints as control
from etl_core.errors import Conflict, EtlError
from etl_core.models.checkpoint import RepairDone, RepairPlan
from etl_core.rules.checkpoints.consequences import Effect
from etl_core.rules.checkpoints.repairs import Repair, Scope
from etl_core.rules.checkpoints.summaries import headline
from etl_core.rules.job_tone import Tone
from etl_tui.app.dialogs.choice_line import ChoiceLine
from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.dialogs.dialog_button import DialogButton
from etl_tui.app.job.checkpoint.diff_list import diff_lines
from etl_tui.app.job.desk import Desk
from etl_tui.app.job.latest import run_latest
from etl_tui.app.look.cells import clean
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.text_view import TextView

MakeRepair = Callable[[Scope, str], Repair]
"""From the chosen partitions and what stands in the field of the target; raises ValueError."""

PLAN_AFTER = 0.25
"""Seconds without a key before what is typed is planned."""
MOST_DIFF_LINES = 200
_LABEL_CELLS = 8
_AROUND = 12
"""Lines of the dialog and of what is seen around it."""


class PlanDialog(Dialog[RepairDone | None]):
    """Answers what was done; None when it was left. `version` is the one that the person has seen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "do_it", show=False)]
    DEFAULT_CSS = """
    PlanDialog .row { height: 1; }
    PlanDialog .label { width: 8; }
    PlanDialog Input { width: 1fr; background: $field; color: $foreground; }
    PlanDialog #plan { height: auto; min-height: 3; margin: 1 0; overflow-x: hidden; }
    """

    def __init__(
        self,
        desk: Desk,
        title: str,
        make: MakeRepair,
        *,
        version: int,
        yes: str,
        scopes: Sequence[Scope] = (Scope(),),
        target: str | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(desk.look)
        self._desk = desk
        self._title = title
        self._make = make
        self._version = version
        self._yes = yes
        self._scopes = scopes
        self._target = target
        self._reason = reason
        self._plan: RepairPlan | None = None
        self._busy = False

    def compose(self) -> ComposeResult:
        look = self.look
        frame = Vertical(classes="frame")
        frame.border_title = look.glyphs.show(clean(f"{self._title} · {self._desk.name}")).replace("[", r"\[")
        frame.border_subtitle = look.glyphs.show("enter do it · tab next · esc leave it")
        with frame:
            if self._target is not None:
                with Horizontal(classes="row"):
                    yield self._label("To")
                    yield Input(self._target, id="target", compact=True, max_length=100)
            if len(self._scopes) > 1:
                with Horizontal(classes="row"):
                    yield self._label("What")
                    yield ChoiceLine(look, [_scope_words(scope) for scope in self._scopes], name="scope")
            yield TextView(look, "plan")
            with Horizontal(classes="row"):
                yield self._label("Reason")
                yield Input(
                    self._reason, id="reason", compact=True, max_length=500, placeholder="why? it is kept"
                )
            with Horizontal(id="buttons"):
                yield DialogButton(look, self._yes, name="yes")
                yield DialogButton(look, "Leave it", name="no")

    def on_mount(self) -> None:
        self.query_one("#target" if self._target is not None else "#reason", Input).focus()
        self.query_one("#yes", DialogButton).disabled = True
        self._tell([[Piece("reckoning what will happen…", self.look.dim)]])
        self._begin_plan(0)

    @property
    def plan(self) -> RepairPlan | None:
        """What is shown; None while there is nothing that could be done."""
        return self._plan

    def _label(self, text: str) -> StyledLine:
        label = StyledLine(self.look, f"label-{text.lower()}")
        label.add_class("label")
        label.show([Piece(text, self.look.dim)])
        return label

    # The plan

    def _repair(self) -> Repair:
        scope = self._scopes[self.query_one(ChoiceLine).chosen] if len(self._scopes) > 1 else self._scopes[0]
        target = self.query_one("#target", Input).value.strip() if self._target is not None else ""
        return self._make(scope, target)

    @on(ChoiceLine.Changed)
    def _other_scope(self) -> None:
        self._begin_plan(0)

    @on(Input.Changed, "#target")
    def _other_target(self) -> None:
        self._begin_plan(PLAN_AFTER)

    def _begin_plan(self, after: float) -> None:
        self._plan = None
        self.query_one("#yes", DialogButton).disabled = True
        run_latest(self, partial(self._read_plan, after), "plan")

    async def _read_plan(self, after: float) -> None:
        await asyncio.sleep(after)
        job_id, version = self._desk.job.id, self._version
        try:
            repair = self._repair()
            plan = await self._desk.source.ask(
                lambda conn: control.plan(conn, job_id, repair, expected_version=version)
            )
        except Conflict as refusal:
            await self._tell_conflict(refusal)
            return
        except (EtlError, ValueError) as refusal:
            self._refuse(str(refusal))
            return
        self._show_plan(plan)

    def _show_plan(self, plan: RepairPlan) -> None:
        look = self.look
        if plan.refusal is not None:
            self._refuse(plan.refusal)
            return
        if plan.difference.is_empty:
            self._refuse("nothing would change")
            return
        self._plan = plan
        self.query_one("#yes", DialogButton).disabled = False
        lines = [[Piece("What will happen", look.dim)]]
        for effect in plan.consequences.streams:
            tone = Tone.FAILED if effect.effect is Effect.EVERYTHING else Tone.WAITING
            lines += self._wrapped("• ", effect.sentence, look.tone(tone))
        for sentence in plan.consequences.sentences[len(plan.consequences.streams) :]:
            lines += self._wrapped("  ", sentence, look.text)
        if not lines[1:]:
            lines.append([Piece("  the next run does nothing else than before", look.text)])
        for warning in plan.warnings:
            lines += self._wrapped(f"{Tone.WAITING.glyph} ", warning, look.tone(Tone.WAITING))
        back = f", as it was in v{plan.to_version}" if plan.to_version else ""
        back = ", as before the first one" if plan.to_version == 0 else back
        told = f"v{plan.version} → a new version{back}: {headline(plan.difference)}"
        lines.append([Piece(told, look.dim)])
        for sign, name, text in diff_lines(plan.difference)[:MOST_DIFF_LINES]:
            lines.append([Piece(f"{sign} {clean(name)}  ", look.title), Piece(clean(text), look.text)])
        self._tell(lines)

    def _wrapped(self, lead: str, text: str, style: Style) -> list[list[Piece]]:
        room = max(20, self.query_one("#plan").size.width - 3 or 70)
        parts = wrap(clean(text), room) or [""]
        return [
            [Piece(lead if index == 0 else "  ", self.look.text), Piece(part, style)]
            for index, part in enumerate(parts)
        ]

    async def _tell_conflict(self, refusal: Conflict) -> None:
        """Somebody else was faster: theirs is shown, and what is shown next is made for their version."""
        job_id = self._desk.job.id
        self._refuse(str(refusal))
        try:
            current = await self._desk.source.ask(lambda conn: control.read_checkpoint(conn, job_id))
        except EtlError as trouble:
            self._refuse(str(trouble))
            return
        if current.version != self._version:
            self._version = current.version
            told = self._wrapped(f"{Tone.FAILED.glyph} ", str(refusal), self.look.tone(Tone.FAILED))
            told += [[], [Piece("ctrl+s or Enter plans it anew, on theirs", self.look.text)]]
            self._tell(told)

    def _refuse(self, text: str) -> None:
        self._tell(self._wrapped(f"{Tone.FAILED.glyph} ", text, self.look.tone(Tone.FAILED)))

    def _tell(self, lines: Sequence[Sequence[Piece]]) -> None:
        view = self.query_one("#plan", TextView)
        view.styles.height = min(max(12, self.app.size.height - _AROUND), max(3, len(lines)))
        view.show_lines(lines)

    # Doing it

    @on(Input.Submitted, "#target")
    def _target_given(self) -> None:
        self.query_one("#reason", Input).focus()

    @on(Input.Submitted, "#reason")
    def _reason_given(self) -> None:
        self.action_do_it()

    @on(DialogButton.Pressed, "#yes")
    def _yes_pressed(self) -> None:
        self.action_do_it()

    @on(DialogButton.Pressed, "#no")
    def _no_pressed(self) -> None:
        self.action_close()

    def action_do_it(self) -> None:
        """Does what is shown; without a plan it is planned first."""
        if self._plan is None:
            self._begin_plan(0)
        elif not self.query_one("#reason", Input).value.strip():
            self.query_one("#reason", Input).focus()
            self._desk.message.refuse("a reason is needed: others will ask why it was moved")
            self.query_one("#label-reason", StyledLine).show([Piece("Reason!", self.look.tone(Tone.FAILED))])
        elif not self._busy:
            self._busy = True
            self.run_worker(self._do_it(self._plan), group="do")

    async def _do_it(self, plan: RepairPlan) -> None:
        repair, reason = self._repair(), self.query_one("#reason", Input).value
        try:
            done = await self._desk.act(
                lambda conn, actor: control.repair(
                    conn, plan.job_id, repair, actor, reason=reason, expected_version=plan.version
                )
            )
        except Conflict as refusal:
            self._plan = None
            await self._tell_conflict(refusal)
        except EtlError as refusal:
            self._refuse(str(refusal))
        except Exception as defect:
            self._refuse(f"unexpected {type(defect).__name__}: {defect}")
        else:
            self.dismiss(done)
        finally:
            self._busy = False


def _scope_words(scope: Scope) -> str:
    if scope.is_all:
        return "all"
    if scope.partition is None:
        return clean(f"stream {scope.stream}")
    return clean(f"{scope.stream}/{scope.partition}")
