"""The same intervals for many jobs: what they have now, and what they will have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from etl_core.models.job import JobRow, JobSettingsRequest
from etl_core.rules.intervals import RETRY_PRESETS, SCHEDULE_PRESETS, short_interval
from etl_core.rules.job_tone import Tone
from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.dialogs.dialog_button import DialogButton
from etl_tui.app.dialogs.interval_field import IntervalField
from etl_tui.app.dialogs.settings_draft import judge
from etl_tui.app.look.cells import clean
from etl_tui.app.look.theme import Look

MOST_TOLD = 4


class BulkSettingsDialog(Dialog[JobSettingsRequest]):
    """Answers with the settings for all of them; nothing is saved here."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s", "accept", show=False, priority=True)]

    def __init__(self, look: Look, jobs: Sequence[JobRow]) -> None:
        super().__init__(look)
        self._count = len(jobs)
        self._now = Counter((job.schedule_interval_minutes, job.retry_interval_minutes) for job in jobs)
        (schedule, retry), _ = self._now.most_common(1)[0]
        self._schedule = IntervalField(look, "Run every", schedule, SCHEDULE_PRESETS, name="schedule")
        self._retry = IntervalField(look, "Retry after", retry, RETRY_PRESETS, name="retry")
        self._sentence = Static("", id="sentence", markup=False)
        self._next = DialogButton(look, "Go on", name="save")
        self._draft = judge("", "")

    def compose(self) -> ComposeResult:
        show = self.look.glyphs.show
        frame = Vertical(classes="frame")
        frame.border_title = show(f"Settings · {self._count:,} jobs")
        frame.border_subtitle = show("tab next · ^s go on · esc cancel")
        with frame:
            yield Static(show(self._told()), id="effect", markup=False)
            yield self._schedule
            yield self._retry
            yield self._sentence
            with Horizontal(id="buttons"):
                yield self._next
                yield DialogButton(self.look, "Cancel", name="cancel")

    def on_mount(self) -> None:
        self._judge()
        self._schedule.focus_input()

    @on(IntervalField.Changed)
    def _judge(self) -> None:
        self._draft = judge(self._schedule.text, self._retry.text)
        self._schedule.show_minutes(self._draft.schedule)
        self._retry.show_minutes(self._draft.retry)
        refusal = self._draft.refusal
        glyph = f"{Tone.FAILED.glyph} " if refusal else ""
        self._sentence.update(self.look.glyphs.show(f"{glyph}{clean(refusal or '')}"))
        self._sentence.set_class(refusal is not None, "-refused")
        self._next.disabled = self._draft.request is None

    @on(Input.Submitted)
    @on(DialogButton.Pressed, "#save")
    def action_accept(self) -> None:
        if self._draft.request is not None:
            self.dismiss(self._draft.request)

    @on(DialogButton.Pressed, "#cancel")
    def _cancel_pressed(self) -> None:
        self.action_close()

    def _told(self) -> str:
        """`Now: 5 every 6h, retry 15m; 2 every 4h, retry 15m`."""
        told = [
            f"{count:,} every {short_interval(schedule)}, retry {short_interval(retry)}"
            for (schedule, retry), count in self._now.most_common(MOST_TOLD)
        ]
        more = len(self._now) - MOST_TOLD
        return f"Now: {'; '.join(told)}{f'; {more:,} other pairs' if more > 0 else ''}"
