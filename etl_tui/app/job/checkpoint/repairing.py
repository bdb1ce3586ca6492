"""What the keys of the Checkpoint tab do to the checkpoint: each by way of its plan, with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING

from etl_core.control import checkpoints as control
from etl_core.control import interventions
from etl_core.errors import Conflict, EtlError
from etl_core.models.checkpoint import CheckpointVersion, CurrentCheckpoint, RepairDone
from etl_core.rules.checkpoints.document import SINGLE
from etl_core.rules.checkpoints.repairs import Clear, DropResume, Repair, Rewind, Scope
from etl_core.rules.clock_text import clock_text
from etl_core.rules.moments import parse_past_moment
from etl_tui.app.dialogs.confirm_dialog import ConfirmDialog
from etl_tui.app.job.checkpoint.edit_target import EditTarget, edit_target
from etl_tui.app.job.checkpoint.editor import EditDialog
from etl_tui.app.job.checkpoint.outside_editor import edit_outside
from etl_tui.app.job.checkpoint.plan_dialog import MakeRepair, PlanDialog
from etl_tui.app.job.desk import Desk
from etl_tui.app.job.latest import run_latest

if TYPE_CHECKING:
    from etl_tui.app.job.checkpoint.tab import CheckpointTab

CANCEL_SECONDS = 60
"""How long a cancelled run may take to end before the repair is given up."""
RENEW_SECONDS = 300
"""The hold of an edit lasts three times as long."""
HELD = "held"
BY_HAND = ("edit", "rewind", "clear", "sql")
MOST_REASON = 40


class Repairing:
    """Of one tab."""

    def __init__(self, tab: CheckpointTab, desk: Desk) -> None:
        self._tab = tab
        self._desk = desk

    def drop_resume(self) -> None:
        """The first aid for a bad cursor."""
        self._begin(
            lambda current: self._plan(current, "Drop resume", lambda scope, _: DropResume(scope), "Drop it")
        )

    def clear(self) -> None:
        self._begin(lambda current: self._plan(current, "Clear", lambda scope, _: Clear(scope), "Clear it"))

    def rewind(self) -> None:
        """To the version under the cursor; where that is the one that holds, to the one before."""

        async def begin(current: CurrentCheckpoint) -> None:
            chosen = self._tab.versions.current
            number = chosen.version if chosen is not None and not chosen.is_newest else current.version - 1
            await self._plan(current, "Rewind", self._rewind_to, "Rewind", target=f"v{max(0, number)}")

        self._begin(begin)

    def undo(self) -> None:
        """Back to before the last change by a person."""
        last = next((v for v in self._tab.versions.items if v.source in BY_HAND), None)
        if last is None:
            self._desk.message.refuse("nobody has changed this checkpoint by hand: there is nothing to undo")
            return

        async def begin(current: CurrentCheckpoint) -> None:
            await self._undo(current, last)

        self._begin(begin)

    def edit(self, *, outside: bool = False) -> None:
        """The document in an editor of ours, or (outside) in the person's own; the job is held meanwhile."""

        async def begin(current: CurrentCheckpoint) -> None:
            target = edit_target(current, self._tab.line)
            told = await self._hold()
            renewal = self._tab.set_interval(RENEW_SECONDS, self._renew_hold)
            try:
                await self._edit(target, outside=outside, told=told)
            finally:
                renewal.stop()
                if told.startswith(HELD):
                    await self._desk.source.act(
                        lambda conn, actor: control.end_edit(conn, self._desk.job.id, actor)
                    )

        self._begin(begin)

    async def _hold(self) -> str:
        """What there is to say of it: another hold serves as well."""
        job_id = self._desk.job.id
        try:
            hold = await self._desk.source.act(lambda conn, actor: control.begin_edit(conn, job_id, actor))
        except Conflict as refusal:
            return str(refusal)
        return f"{HELD} until {clock_text(hold.until, self._desk.clock.now())} while you edit"

    def _renew_hold(self) -> None:
        async def renew() -> None:
            job_id = self._desk.job.id
            try:
                await self._desk.source.act(lambda conn, actor: control.renew_edit(conn, job_id, actor))
            except EtlError as refusal:
                self._desk.message.refuse(str(refusal))

        self._tab.run_worker(renew(), group="renew")

    async def _edit(self, target: EditTarget, *, outside: bool, told: str) -> None:
        """Until it is written or left; who leaves the plan is back in the text."""
        text = target.text
        title = f"{target.title} · {self._desk.name}"
        while True:
            if outside:
                text = edit_outside(self._tab.app, text)
            if not outside or target.check(text):
                dialog = EditDialog(self._desk.look, title, text, target.check, line=target.line, told=told)
                given = await self._tab.app.push_screen_wait(dialog)
                if given is None:
                    return
                text = given
            edit = _always(target.repair(text))
            if await self._plan(target.current, "Edit", edit, "Write it", scopes=(Scope(),)):
                return
            outside = False

    def _rewind_to(self, scope: Scope, target: str) -> Repair:
        number = target.removeprefix("v")
        if number.isascii() and number.isdigit():
            return Rewind(int(number), scope)
        moment: datetime = parse_past_moment(target, self._desk.clock.now())
        return Rewind(moment, scope)

    async def _undo(self, current: CurrentCheckpoint, last: CheckpointVersion) -> None:
        before = last.version - 1
        await self._plan(
            current,
            f"Undo v{last.version}",
            lambda scope, _: Rewind(before, scope),
            f"Rewind to v{before}",
            reason=f"undo v{last.version}",
        )

    async def _plan(
        self,
        current: CurrentCheckpoint,
        title: str,
        make: MakeRepair,
        yes: str,
        *,
        target: str | None = None,
        reason: str | None = None,
        scopes: tuple[Scope, ...] | None = None,
    ) -> RepairDone | None:
        """Shows what will happen and does it; `scopes` None: any about what is under the cursor."""
        dialog = PlanDialog(
            self._desk,
            title,
            make,
            version=current.version,
            yes=yes,
            scopes=self._scopes() if scopes is None else scopes,
            target=target,
            reason=self._usual_reason() if reason is None else reason,
        )
        done = await self._tab.app.push_screen_wait(dialog)
        if done is not None:
            told = f"{done.job_name}: v{done.version}"
            self._desk.message.confirm(f"{told}, {_counts(done)}; u undoes it, r runs the job")
            self._tab.begin_loading()
        return done

    def _scopes(self) -> tuple[Scope, ...]:
        """All; and what is under the cursor, its partition and its stream."""
        line = self._tab.line
        if line is None or (line.place is None and line.is_open is None) or not line.key:
            return (Scope(),)
        found = [Scope()]
        document = self._tab.tree_view.document
        stream = str(line.key[0])
        if stream in document.streams and len(document.streams) > 1:
            found.append(Scope(stream))
        if line.place is not None and document.streams[stream].keys() != {SINGLE}:
            found.append(Scope(stream, line.place.partition))
        return tuple(found)

    def _usual_reason(self) -> str:
        """What failed, where something did: it can be typed over."""
        job = self._desk.job
        if job.status != "FAILED":
            return ""
        return " ".join(f"after: {job.error_message or job.error_kind or 'failure'}".split())[:MOST_REASON]

    # A job that runs is cancelled first, if one wants that

    def _begin(self, begin: Callable[[CurrentCheckpoint], Awaitable[object]]) -> None:
        async def attempt() -> None:
            try:
                await self._at_rest(begin)
            except (EtlError, ValueError) as refusal:
                self._desk.message.refuse(str(refusal))

        run_latest(self._tab, attempt, "repair")

    async def _at_rest(self, begin: Callable[[CurrentCheckpoint], Awaitable[object]]) -> None:
        if self._desk.job.status == "RUNNING" and not await self._cancelled_first():
            return
        job_id = self._desk.job.id
        current = self._tab.checkpoint
        if current is None or current.is_moving:
            current = await self._desk.source.ask(lambda conn: control.read_checkpoint(conn, job_id))
        await begin(current)

    async def _cancelled_first(self) -> bool:
        desk = self._desk
        dialog = ConfirmDialog(
            desk.look,
            f"Running · {desk.name}",
            [
                "A checkpoint is not changed while its job runs. Cancel the run first?",
                "What is loaded stays, with the checkpoint behind it.",
            ],
            yes="Cancel the run",
            no="Let it run",
        )
        if not await self._tab.app.push_screen_wait(dialog):
            return False
        await desk.act(lambda conn, actor: interventions.cancel(conn, desk.job.id, actor))
        for _ in range(CANCEL_SECONDS * 5):
            if desk.job.status != "RUNNING":
                return True
            desk.message.confirm("the run is being cancelled…")
            desk.wake()
            await asyncio.sleep(0.2)
        desk.message.refuse("the run does not end; try again in a moment")
        return False


def _always(repair: Repair) -> MakeRepair:
    return lambda _, __: repair


def _counts(done: RepairDone) -> str:
    told = [
        f"{count:,} {word}"
        for count, word in (
            (done.partitions_changed, "changed"),
            (done.partitions_new, "new"),
            (done.partitions_gone, "gone"),
        )
        if count
    ]
    return ", ".join(told) or "nothing changed"
