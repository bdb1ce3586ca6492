"""One question for many jobs: how many can, how many cannot and why; then progress, and a result for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from etl_core.models.job import JobRow
from etl_core.rules.job_tone import Tone
from etl_tui.app.actions.action import Action, Doing
from etl_tui.app.actions.bulk_run import BulkRun, Result
from etl_tui.app.commands.choices import Choice, Choices
from etl_tui.app.dashboard.columns import full_name
from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.dialogs.dialog_button import DialogButton
from etl_tui.app.feed.source import JobSource
from etl_tui.app.look.cells import clean, width_of
from etl_tui.app.look.theme import Look

REDRAW_SECONDS = 0.2
LONGEST_NAME = 32


class BulkDialog(Dialog[BulkRun]):
    """Answers with what was done, None when nothing was.

    In a production context the button waits for the context's name (`name_to_type`).
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "go", show=False),
        Binding("n,q", "close", show=False),
        Binding("u", "undo", show=False),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
        Binding("pagedown", "scroll(10)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
    ]

    def __init__(
        self,
        look: Look,
        source: JobSource,
        action: Action,
        jobs: Sequence[JobRow],
        *,
        name_to_type: str = "",
        worked: Callable[[], None],
    ) -> None:
        super().__init__(look)
        self._source = source
        self._action = action
        self._jobs = jobs
        self._refusals = [(job, refusal) for job in jobs if (refusal := action.why_not(job)) is not None]
        barred = {job.id for job, _ in self._refusals}
        self._able = [job for job in jobs if job.id not in barred]
        self._name_to_type = name_to_type
        self._worked = worked
        self._run: BulkRun | None = None
        self._is_working = False
        self._drawn_at = 0.0
        self._verb = action.name
        self._head = Static("", id="head", markup=False)
        self._effect = Static("", id="effect", markup=False)
        self._list = Choices(
            look, name_cells=min(LONGEST_NAME, 2 + max(width_of(full_name(job)) for job in jobs))
        )
        self._typed = Input(compact=True, id="typed")
        self._typed.cursor_blink = False
        self._yes = DialogButton(look, f"{action.yes}: {len(self._able):,}", name="yes")
        self._no = DialogButton(look, "Leave it", name="no")
        self._undo = DialogButton(look, "Undo", name="undo")

    def compose(self) -> ComposeResult:
        show = self.look.glyphs.show
        frame = Vertical(classes="frame tall")
        frame.border_title = show(clean(f"{self._action.name} · {len(self._jobs):,} jobs")).replace(
            "[", r"\["
        )
        with frame:
            yield self._head
            yield self._effect
            yield self._list
            if self._name_to_type and self._able:
                with Horizontal(id="asked"):
                    yield Static(
                        f"This is production; to go on write {clean(self._name_to_type)}: ",
                        classes="label",
                        markup=False,
                    )
                    yield self._typed
            with Horizontal(id="buttons"):
                yield self._yes
                yield self._undo
                yield self._no

    def on_mount(self) -> None:
        count = len(self._able)
        cannot = f", {len(self._refusals):,} cannot" if self._refusals else ""
        self._say_head(f"{count:,} can{cannot}")
        self._effect.update(
            self.look.glyphs.show("\n".join(map(clean, self._action.effect if count else ())))
        )
        barred = [self._line(Tone.OFF, job, refusal) for job, refusal in self._refusals]
        self._list.show_choices([*barred, *(self._line(Tone.READY, job, "") for job in self._able)])
        self._effect.display = count > 0
        self._undo.display = False
        self._yes.disabled = not count or bool(self._name_to_type)
        self._say_keys()
        if self._name_to_type and count:
            self._typed.focus()
        else:
            self._no.focus()

    # The question

    @on(Input.Changed)
    def _follow_name(self) -> None:
        self._yes.disabled = not self._may_go

    @property
    def _may_go(self) -> bool:
        typed = not self._name_to_type or self._typed.value.strip() == self._name_to_type
        return typed and bool(self._able) and self._run is None

    @on(Input.Submitted)
    @on(DialogButton.Pressed, "#yes")
    def action_go(self) -> None:
        if self._may_go:
            self._begin(self._action.do, self._able)

    @on(DialogButton.Pressed, "#no")
    def _no_pressed(self) -> None:
        self.action_close()

    def action_close(self) -> None:
        """No; while it works: stops the rest; behind that: done."""
        if self._is_working and self._run is not None:
            self._run.stop("stopped")
        else:
            self.dismiss(self._run)

    def action_scroll(self, rows: int) -> None:
        self._list.move(rows)

    # The work

    @on(DialogButton.Pressed, "#undo")
    def action_undo(self) -> None:
        """Takes back what was done, job by job."""
        if self._run is not None and not self._is_working and self._action.undo and self._run.done:
            self._verb = f"Undo of {self._action.name}"
            done, undo = self._run.done, self._action.undo
            self._begin(undo, done)

    def _begin(self, doing: Doing, jobs: Sequence[JobRow]) -> None:
        self._run = BulkRun(self._source, doing, jobs)
        self._is_working = True
        self._effect.display = self._yes.display = self._undo.display = False
        for asked in self.query("#asked"):
            asked.display = False
        self._no.label = "Stop"
        self._no.focus()
        self._say_keys()
        self.run_worker(self._work(self._run))

    async def _work(self, run: BulkRun) -> None:
        self._show_progress(run)
        await run.go(lambda: self._show_progress(run))
        self._is_working = False
        self._show_end(run)
        self._worked()

    def _show_progress(self, run: BulkRun) -> None:
        now = time.monotonic()
        if now - self._drawn_at < REDRAW_SECONDS:
            return
        self._drawn_at = now
        failed = f", {run.failed:,} failed" if run.failed else ""
        self._say_head(f"{self._verb}: {len(run.results):,} of {len(run.jobs):,}{failed}")
        self._show_results(run.results)
        self._list.move_to(len(run.results))

    def _show_end(self, run: BulkRun) -> None:
        parts = [f"{len(run.done):,} done"]
        parts += [f"{run.failed:,} failed"] if run.failed else []
        parts += [f"{run.left:,} not tried: {run.stopped}"] if run.left else []
        undone = self._verb != self._action.name
        parts += [f"{len(self._refusals):,} could not"] if self._refusals and not undone else []
        self._say_head(f"{self._verb}: {', '.join(parts)}")
        failed_first = sorted(run.results, key=lambda result: result.done)
        left = run.jobs[len(run.results) :]
        barred = [] if undone else self._refusals
        self._show_results(
            failed_first,
            [
                *(self._line(Tone.OFF, job, "not tried") for job in left),
                *(self._line(Tone.OFF, job, refusal) for job, refusal in barred),
            ],
        )
        self._undo.display = bool(self._action.undo and run.done) and not undone
        self._no.label = "Close"
        self._no.focus()
        self._say_keys()

    def _show_results(self, results: Sequence[Result], more: Sequence[Choice] = ()) -> None:
        lines = [
            self._line(Tone.FINISHED if result.done else Tone.FAILED, result.job, result.text)
            for result in results
        ]
        self._list.show_choices([*lines, *more])

    def _line(self, tone: Tone, job: JobRow, text: str) -> Choice:
        return Choice(f"{tone.glyph} {full_name(job)}", clean(text) or " ", able=tone is not Tone.OFF)

    def _say_head(self, text: str) -> None:
        self._head.update(self.look.glyphs.show(text))

    def _say_keys(self) -> None:
        if self._is_working:
            keys = "esc stops the rest"
        elif self._run is not None:
            keys = ("u undo · " if self._undo.display else "") + "j k scroll · esc close"
        else:
            keys = ("" if self._name_to_type else "y yes · ") + "j k scroll · esc no"
        self.query_one(".frame").border_subtitle = self.look.glyphs.show(keys)
