"""What a person does to a job: told beforehand why not, asked where it hurts, confirmed in a line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from etl_core.errors import EtlError
from etl_core.models.health import Health
from etl_core.models.job import JobRow
from etl_core.rules.possible import cancel_effect, why_not_cancel, why_not_clear, why_not_run
from etl_core.rules.why import why
from etl_tui.app.commands.host import CommandScreen
from etl_tui.app.dashboard.columns import full_name
from etl_tui.app.dashboard.message_line import MessageLine
from etl_tui.app.dialogs.confirm_dialog import ConfirmDialog
from etl_tui.app.dialogs.details_dialog import DetailsDialog
from etl_tui.app.dialogs.settings_dialog import SettingsDialog
from etl_tui.app.feed.clock import DatabaseClock
from etl_tui.app.feed.live import Live
from etl_tui.app.feed.source import JobSource
from etl_tui.app.look.theme import Look

_OF_A_JOB: Final = frozenset({"details", "run-now", "cancel", "clear", "settings", "on-off"})
"""Commands that need a job."""


class JobActions:
    """Of one screen. What comes of an action stands in `message`; `live` then looks at once."""

    def __init__(
        self,
        screen: CommandScreen,
        source: JobSource,
        look: Look,
        *,
        clock: DatabaseClock,
        message: MessageLine,
        live: Live,
    ) -> None:
        self._screen = screen
        self._source = source
        self._look = look
        self._clock = clock
        self._message = message
        self._live = live
        self.health: Health | None = None
        """Who is alive, as the screen knows it: why a job does not start depends on it."""

    def why_not(self, command: str, job: JobRow | None) -> str | None:
        """Why a command can do nothing to the job now; None when it can, or has nothing to do with a job."""
        if command not in _OF_A_JOB:
            return None
        if job is None:
            return "there is no job"
        now = self._clock.now()
        if command == "run-now":
            return why_not_run(job, now)
        if command == "cancel":
            return why_not_cancel(job)
        return why_not_clear(job, now) if command == "clear" else None

    def show_details(self, job: JobRow) -> None:
        self._screen.app.push_screen(DetailsDialog(self._source, self._look, job))

    def change_settings(self, job: JobRow) -> None:
        self._screen.app.push_screen(SettingsDialog(self._source, self._look, job, self._clock), self._saved)

    def run_now(self, job: JobRow) -> None:
        if self._may(job, why_not_run(job, self._clock.now())):
            self._act(lambda: self._run_now(job))

    def cancel(self, job: JobRow) -> None:
        if not self._may(job, why_not_cancel(job)):
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._act(lambda: self._cancel(job))

        self._screen.app.push_screen(
            ConfirmDialog(
                self._look,
                f"Cancel · {full_name(job)}",
                cancel_effect(job, self._clock.now()),
                yes="Cancel the run",
                no="Let it run",
            ),
            answered,
        )

    def clear(self, job: JobRow) -> None:
        if self._may(job, why_not_clear(job, self._clock.now())):
            self._act(lambda: self._clear(job))

    def toggle(self, job: JobRow) -> None:
        self._act(lambda: self._toggle(job))

    async def _run_now(self, job: JobRow) -> None:
        run = await self._source.run_now(job.id)
        once = "" if job.active else "; it stays off after it"
        self._message.confirm(f"{full_name(job)}: run {run.id} is queued{once}")

    async def _cancel(self, job: JobRow) -> None:
        run = await self._source.cancel(job.id)
        done = "will be cancelled" if run.finished_at is None else "is cancelled"
        self._message.confirm(f"{full_name(job)}: run {run.id} {done}; what it loaded stays")

    async def _clear(self, job: JobRow) -> None:
        after = await self._source.clear(job.id)
        self._message.confirm(f"{full_name(job)} is cleared, {self._why(after)}")

    async def _toggle(self, job: JobRow) -> None:
        after = await self._source.set_active(job.id, not job.active)
        key = self._key("on-off")
        if after.active:
            self._message.confirm(f"{full_name(job)} is on, {self._why(after)}; {key} switches it off")
        else:
            going = "; the run under way goes on to its end" if after.status == "RUNNING" else ""
            self._message.confirm(f"{full_name(job)} is off{going}; {key} switches it on again")

    def _saved(self, message: str | None) -> None:
        if message is not None:
            self._message.confirm(message)
            self._live.wake()

    def _key(self, name: str) -> str:
        return self._look.glyphs.key(self._screen.commands.key_of(name))

    def _why(self, job: JobRow) -> str:
        return why(job, self.health, self._clock.now()).text

    def _may(self, job: JobRow, refusal: str | None) -> bool:
        """Tells why an action is impossible before it is tried."""
        if refusal is not None:
            self._message.refuse(f"{full_name(job)}: {refusal}")
        return refusal is None

    def _act(self, action: Callable[[], Awaitable[None]]) -> None:
        """Runs an action beside the screen; what goes wrong is a line, never the end of the dashboard."""

        async def attempt() -> None:
            try:
                await action()
            except EtlError as refusal:
                self._message.refuse(str(refusal))
            except Exception as defect:
                self._message.refuse(f"unexpected {type(defect).__name__}: {defect}")
            self._live.wake()

        self._screen.run_worker(attempt(), group="action")
