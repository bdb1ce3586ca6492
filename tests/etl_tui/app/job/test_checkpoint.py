"""The Checkpoint tab with documents that hurt: drawn, searched, copied, compared."""

from __future__ import annotations

import asyncpg

from etl_core.control import checkpoints
from etl_core.rules.checkpoints.document import Document, PartitionValue
from etl_core.rules.checkpoints.repairs import SetDocument
from tests.etl_tui.app.conftest import AddJob
from tests.etl_tui.app.job.conftest import OpenJob
from tests.support.jobs import PERSON

HURTS = "日本\u202e \x1b[2J [b]x[/b] " + "n" * 200


async def test_names_that_hurt_are_drawn_copied_and_compared(
    open_job: OpenJob, add_job: AddJob, db: asyncpg.Connection
) -> None:
    job_id = await add_job("github")
    await db.execute("UPDATE integrations SET type = 'elsewhere'")
    streams = {f"s{n:02}": {"default": PartitionValue({"at": "2026-11-24T14:19:00Z"})} for n in range(40)}
    first = Document({**streams, HURTS: {HURTS: PartitionValue({HURTS: HURTS})}})
    await checkpoints.repair(db, job_id, SetDocument(first), PERSON, reason=HURTS)
    second = Document({**streams, HURTS: {HURTS: PartitionValue({HURTS: "other"})}})
    await checkpoints.repair(db, job_id, SetDocument(second), PERSON, reason="second")
    async with open_job("github", "2", size=(80, 24)) as job:
        await job.until(lambda: len(job.list("tree")) > 10)
        assert "41 streams" in job.line("cp-title")
        await job.until(lambda: "v1 → v2   1 changed" in job.line("diff-title"))
        await job.press("slash", *"other", "enter")
        await job.until(lambda: len(job.list("tree")) == 3)
        await job.press("G", "y")
        await job.until(lambda: "other" in job.dashboard.app.clipboard)
        await job.press("Y")
        await job.until(lambda: job.dashboard.app.clipboard.endswith(".bookmark"))
        await job.press("d")
        await job.until(lambda: any(line.startswith(" +") for line in job.list("diff")))
        await job.press("v")
        await job.until(lambda: '"streams": {' in job.everything())
        for text in ("\x1b", "\u202e"):
            assert text not in job.everything()
        await job.press("v", "tab", "j", "enter")
        await job.until(lambda: "v1, not v2 that holds" in job.line("cp-title"))
        await job.press("escape", "escape")
        await job.until(lambda: "41 streams" in job.line("cp-title"))


async def test_a_list_is_shown_and_what_can_be_done_with_it_is_said(
    open_job: OpenJob, add_job: AddJob, db: asyncpg.Connection
) -> None:
    await add_job("github", checkpoint_data=[1, {"a": None}])
    async with open_job("github", "2", size=(60, 20)) as job:
        await job.until(lambda: len(job.list("tree")) == 2)
        await job.until(lambda: "no JSON object: clear or replace it" in job.line("cp-notice"))
        await job.press("1")
        await job.until(lambda: "checkpoint_data" in job.text("overview"))
