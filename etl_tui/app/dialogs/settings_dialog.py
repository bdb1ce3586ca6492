"""How often a job runs and how soon it is retried; never saves over what somebody else changed."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import asyncpg
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from etl_core.control import job_limits
from etl_core.control import jobs as control
from etl_core.control.audit import Actor
from etl_core.errors import Conflict, EtlError
from etl_core.models.job import JobDetails, JobRow, JobSettingsRequest
from etl_core.rules.clock_text import clock_text
from etl_core.rules.intervals import RETRY_PRESETS, SCHEDULE_PRESETS, humanise_minutes, short_interval
from etl_core.rules.job_tone import Tone
from etl_core.rules.next_runs import next_runs
from etl_tui.app.dashboard.columns import full_name
from etl_tui.app.dialogs.dialog import Dialog
from etl_tui.app.dialogs.dialog_button import DialogButton
from etl_tui.app.dialogs.interval_field import IntervalField
from etl_tui.app.dialogs.settings_draft import NO_DEADLINE, SettingsDraft, judge
from etl_tui.app.dialogs.worded_field import WordedField
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.feed.source import JobSource
from etl_tui.app.look.cells import clean
from etl_tui.app.look.theme import Look

HOW_SCHEDULING_WORKS = (
    "The job starts every interval, counted from start to start. "
    "A run still going is never started twice; runs missed while everything was down are made up once. "
    "After a failure the job is retried after the shorter interval until it succeeds."
)
LONGEST_LIMIT = 20
"""Characters of a limit's text."""
SAVE_TRIES = 3
"""How often a save is repeated when the row moved on but its settings did not (a run began or ended)."""


class _Settings(NamedTuple):
    """Minutes, minutes, minutes or None for no deadline, failures in a row."""

    schedule: int
    retry: int
    deadline: int | None
    failures: int

    @classmethod
    def of(cls, job: JobRow | JobDetails) -> _Settings:
        return cls(
            job.schedule_interval_minutes, job.retry_interval_minutes, job.deadline_minutes, job.max_failures
        )


class SettingsDialog(Dialog[str]):
    """Answers with the sentence of what was saved, None when nothing was."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "save", priority=True),
        Binding("ctrl+t", "take_theirs", "take theirs", priority=True),
    ]

    def __init__(self, source: JobSource, look: Look, job: JobRow, clock: DatabaseClock) -> None:
        super().__init__(look)
        self._source = source
        self._job = job
        self._clock = clock
        self._version = job.row_version
        self._seen = seen = _Settings.of(job)
        self._schedule = IntervalField(look, "Run every", seen.schedule, SCHEDULE_PRESETS, name="schedule")
        self._retry = IntervalField(look, "Retry after", seen.retry, RETRY_PRESETS, name="retry")
        self._deadline = WordedField(
            "Ends after", _deadline_text(seen.deadline), name="deadline", longest=LONGEST_LIMIT
        )
        self._failures = WordedField("Off after", str(seen.failures), name="failures", longest=LONGEST_LIMIT)
        self._sentence = Static("", id="sentence", markup=False)
        self._next = Static("", id="next", markup=False)
        self._save = DialogButton(look, "Save", name="save")
        self._theirs = DialogButton(look, "Take theirs", name="theirs")
        self._draft = judge("", "")
        self._saving = False

    def compose(self) -> ComposeResult:
        show = self.look.glyphs.show
        frame = Vertical(classes="frame")
        # A title is markup: a name from outside must not be read as such.
        frame.border_title = show(f"Settings · {full_name(self._job)}").replace("[", r"\[")
        frame.border_subtitle = show("tab next · ^s save · esc cancel")
        how = Static(HOW_SCHEDULING_WORKS, id="how", markup=False)
        how.border_title = "How scheduling works"
        with frame:
            yield self._schedule
            yield self._retry
            yield self._sentence
            yield how
            yield self._next
            yield self._deadline
            yield self._failures
            with Horizontal(id="buttons"):
                yield self._theirs
                yield self._save
                yield DialogButton(self.look, "Cancel", name="cancel")

    def on_mount(self) -> None:
        self._theirs.display = False
        self._judge()
        self._schedule.focus_input()

    @on(WordedField.Changed)
    def _judge(self) -> None:
        draft = judge(self._schedule.text, self._retry.text, self._deadline.text, self._failures.text)
        self._draft = draft
        self._schedule.show_minutes(draft.schedule)
        self._retry.show_minutes(draft.retry)
        self._deadline.say(
            f"{humanise_minutes(draft.deadline)}, then it fails" if draft.deadline else "no deadline"
        )
        self._failures.say("failures in a row" if draft.failures != 1 else "failure")
        self._say(draft.refusal or "", refused=draft.refusal is not None)
        self._next.update(self.look.glyphs.show(self._next_text(draft)))
        self._save.disabled = draft.request is None

    @on(Input.Submitted)
    def action_save(self) -> None:
        """Saves when it holds; says again why not when it does not."""
        request = self._draft.request
        if request is None or self._saving:
            return
        self._saving = True
        self.run_worker(self._store(request))

    def action_take_theirs(self) -> None:
        """Somebody else's settings stand in the fields; nothing is saved."""
        if not self._theirs.display:
            return
        self._schedule.text = short_interval(self._seen.schedule)
        self._retry.text = short_interval(self._seen.retry)
        self._deadline.text = _deadline_text(self._seen.deadline)
        self._failures.text = str(self._seen.failures)
        self._theirs.display = False
        self._schedule.focus_input()

    @on(DialogButton.Pressed, "#save")
    def _save_pressed(self) -> None:
        self.action_save()

    @on(DialogButton.Pressed, "#theirs")
    def _theirs_pressed(self) -> None:
        self.action_take_theirs()

    @on(DialogButton.Pressed, "#cancel")
    def _cancel_pressed(self) -> None:
        self.action_close()

    async def _store(self, request: JobSettingsRequest) -> None:
        try:
            for _ in range(SAVE_TRIES):
                try:
                    answer = await self._source.act(lambda conn, actor: self._change(conn, actor, request))
                except Conflict:
                    theirs = await self._source.show_job(self._job.id)
                    if self._take_over(theirs):
                        return
                else:
                    self.dismiss(answer)
                    return
            self._say("The job changes all the time; try again in a moment.", refused=True)
        except EtlError as refusal:
            self._say(str(refusal), refused=True)
        finally:
            self._saving = False

    async def _change(self, conn: asyncpg.Connection, actor: Actor, request: JobSettingsRequest) -> str:
        """All of it or nothing."""
        draft = self._draft
        async with conn.transaction():
            answer = await control.change_settings(
                conn, self._job.id, request, actor, expected_version=self._version
            )
            if draft.deadline != self._seen.deadline:
                await job_limits.set_deadline(conn, self._job.id, draft.deadline, actor)
            if draft.failures is not None and draft.failures != self._seen.failures:
                await job_limits.set_max_failures(conn, self._job.id, draft.failures, actor)
        return answer.message

    def _take_over(self, theirs: JobDetails) -> bool:
        """Goes on from the row as it is now; True when its settings are others, which is told, not saved."""
        self._version = theirs.row_version
        settings = _Settings.of(theirs)
        if settings == self._seen:
            return False
        self._seen = settings
        self._theirs.display = True
        self._say(f"Changed meanwhile: now {_told(settings)}. ^s saves over it, ^t takes it.", refused=True)
        return True

    def _say(self, text: str, *, refused: bool) -> None:
        glyph = f"{Tone.FAILED.glyph} " if refused else ""
        self._sentence.update(self.look.glyphs.show(f"{glyph}{clean(text)}"))
        self._sentence.set_class(refused, "-refused")

    def _next_text(self, draft: SettingsDraft) -> str:
        if draft.request is None or draft.schedule is None or draft.retry is None:
            return "Next runs  –"
        now = self._clock.now()
        moments = next_runs(self._job, draft.schedule, draft.retry, now)
        if not moments:
            return "Next runs  – (off, held, or without an integration)"
        return f"Next runs  {'  '.join(clock_text(moment, now) for moment in moments)}"


def _deadline_text(minutes: int | None) -> str:
    return NO_DEADLINE if minutes is None else short_interval(minutes)


def _told(settings: _Settings) -> str:
    every, retry = humanise_minutes(settings.schedule), humanise_minutes(settings.retry)
    deadline = f", ends after {humanise_minutes(settings.deadline)}" if settings.deadline else ""
    return f"every {every}, retry after {retry}{deadline}, off after {settings.failures}"
