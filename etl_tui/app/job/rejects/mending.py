"""What the keys of the Rejects tab do: correct one, replay one or all, drop one or all with a reason."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from etl_core.control.checkpoints import Problem
from etl_core.control.rejects import (
    correct_reject,
    drop_rejects,
    parse_record,
    replay_rejects,
    show_reject,
)
from etl_core.errors import EtlError
from etl_core.models.reject import RejectDetails, ReplaySelection
from etl_tui.app.dialogs.prompt_dialog import PromptDialog
from etl_tui.app.job.checkpoint.editor import EditDialog
from etl_tui.app.job.desk import Desk

if TYPE_CHECKING:
    from etl_tui.app.job.rejects.tab import RejectsTab


class Mending:
    """Of one tab."""

    def __init__(self, tab: RejectsTab, desk: Desk) -> None:
        self._tab = tab
        self._desk = desk

    def replay_one(self) -> None:
        if row := self._tab.current:
            self._replay(ReplaySelection(ids=[row.id]))

    def replay_all(self) -> None:
        self._replay(ReplaySelection(all=True))

    def correct(self) -> None:
        """Edits the record, and replays it as it is then."""
        row = self._tab.current
        if row is None:
            return

        async def begin() -> None:
            self._edit(await self._desk.source.ask(lambda conn: show_reject(conn, row.id)))

        self._attempt(begin)

    def _edit(self, reject: RejectDetails) -> None:
        payload = reject.payload
        text = payload if isinstance(payload, str) else json.dumps(payload, indent=2, ensure_ascii=False)

        def answered(corrected: str | None) -> None:
            async def correct() -> None:
                await self._desk.act(
                    lambda conn, actor: correct_reject(conn, reject.id, corrected or "", actor)
                )
                self._tab.begin_loading()
                await self._start(ReplaySelection(ids=[reject.id]))

            if corrected is not None:
                self._attempt(correct)

        title = f"reject {reject.id} of {reject.stream} · {self._desk.name}"
        self._tab.app.push_screen(
            EditDialog(
                self._desk.look, title, text, check_record, told=reject.reason, going_on="correct and replay"
            ),
            answered,
        )

    def drop_one(self) -> None:
        if row := self._tab.current:
            self._drop([row.id], "Drop the record")

    def drop_all(self) -> None:
        self._drop(None, f"Drop all {self._tab.count:,} rejects")

    def _replay(self, selection: ReplaySelection) -> None:
        self._attempt(lambda: self._start(selection))

    async def _start(self, selection: ReplaySelection) -> None:
        job_id = self._desk.job.id
        started = await self._desk.act(lambda conn, actor: replay_rejects(conn, job_id, selection, actor))
        kept = f"; {started.kept:,} are no records and stay" if started.kept else ""
        records = "1 record" if started.records == 1 else f"{started.records:,} records"
        self._desk.message.confirm(f"run {started.run.id} replays {records}{kept}")

    def _drop(self, ids: list[int] | None, title: str) -> None:
        job_id = self._desk.job.id

        def answered(reason: str | None) -> None:
            async def drop() -> None:
                gone = await self._desk.act(
                    lambda conn, actor: drop_rejects(conn, job_id, actor, ids=ids, reason=reason or "")
                )
                self._desk.message.confirm(
                    f"{'1 reject is' if len(gone) == 1 else f'{len(gone):,} rejects are'} gone for good"
                )
                self._tab.begin_loading()

            if reason is not None:
                self._attempt(drop)

        dialog = PromptDialog(
            self._desk.look,
            f"{title} · {self._desk.name}",
            label="Reason",
            hint="for good, without being loaded; others will ask where it went",
            yes="Drop",
            read=_reason,
            meaning=lambda _: "It is gone for good then.",
        )
        self._tab.app.push_screen(dialog, answered)

    def _attempt(self, action: Callable[[], Awaitable[None]]) -> None:
        async def attempt() -> None:
            try:
                await action()
            except EtlError as refusal:
                self._desk.message.refuse(str(refusal))
            except Exception as defect:
                self._desk.message.refuse(f"unexpected {type(defect).__name__}: {defect}")

        self._tab.run_worker(attempt(), group="mend")


def check_record(text: str) -> list[Problem]:
    """What is wrong with a record that somebody types."""
    try:
        parse_record(text)
    except EtlError as refusal:
        return [Problem("", str(refusal))]
    return []


def _reason(text: str) -> str:
    if not text.strip():
        raise ValueError("a reason is needed")
    return text.strip()
