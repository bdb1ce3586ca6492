"""From a FAILED job in the grid to the running repair, and what a repair asks and refuses."""

from __future__ import annotations

import asyncpg
from textual.widgets import TextArea

from etl_core.control import checkpoints
from etl_core.rules.checkpoints.document import Document, PartitionValue
from etl_core.rules.checkpoints.repairs import DropResume, SetDocument
from tests.etl_tui.app.conftest import AddJob, Drive
from tests.etl_tui.app.job.conftest import OpenJob
from tests.support.jobs import PERSON

STUCK = Document(
    {
        "orders": {"default": PartitionValue({"at": "2026-11-24T14:19:00Z"}, {"cursor": "x", "page": 413})},
        "refunds": {"eu": PartitionValue({"at": "2026-11-20"}), "us": PartitionValue(None, {"cursor": "y"})},
    }
)
MOST_KEYS = 8


async def _stuck_job(db: asyncpg.Connection, add_job: AddJob, document: Document = STUCK) -> int:
    job_id = await add_job("payments")
    await db.execute("UPDATE integrations SET type = 'elsewhere'")  # no models are known: any value goes
    await checkpoints.repair(db, job_id, SetDocument(document), PERSON, reason="as it was")
    await db.execute(
        "UPDATE etl_jobs SET status = 'FAILED', error_kind = 'permanent', error_message = 'bad cursor y',"
        " last_run_started_at = now(), last_run_finished_at = now()"
    )
    return job_id


async def test_from_failed_to_the_running_repair_in_few_keys(
    drive: Drive, add_job: AddJob, db: asyncpg.Connection
) -> None:
    job_id = await _stuck_job(db, add_job)
    pressed: list[str] = []
    async with drive() as dashboard:
        await dashboard.until(lambda: "✖ FAILED" in dashboard.row("payments"))

        async def press(*keys: str) -> None:
            pressed.extend(keys)
            await dashboard.pilot.press(*keys)

        await press("enter", "2")
        await dashboard.until(lambda: "orders" in dashboard.screen_text())
        await press("x")
        await dashboard.until(lambda: "begins its walk again at its bookmark" in dashboard.screen_text())
        assert "after: bad cursor y" in dashboard.screen_text()
        await press("enter")
        await dashboard.until(lambda: "u undoes it, r runs the job" in dashboard.screen_text())
        await press("r")
        await dashboard.until(lambda: "▶ RUNNING" in dashboard.screen_text())
    assert len(pressed) <= MOST_KEYS
    current = await checkpoints.read_checkpoint(db, job_id)
    assert [value.resume for _, value in current.document.items()] == [None, None, None]
    assert current.document.streams["refunds"]["eu"] == STUCK.streams["refunds"]["eu"]
    versions = await checkpoints.list_versions(db, job_id)
    assert (versions[0].actor, versions[0].reason) == ("ana", "after: bad cursor y")
    assert await db.fetchval("SELECT count(*) FROM job_runs WHERE state = 'QUEUED'") == 1


async def test_rewind_of_a_partition_a_faster_person_and_undo(
    open_job: OpenJob, add_job: AddJob, db: asyncpg.Connection
) -> None:
    job_id = await _stuck_job(db, add_job)
    await checkpoints.repair(db, job_id, DropResume(), PERSON, reason="first aid")
    async with open_job("payments", "2") as job:
        await job.until(lambda: any("refunds" in line for line in job.list("tree")))
        await job.press("G", "w")  # the cursor is on refunds/us
        await job.until(lambda: "What will happen" in job.everything())
        await job.press("tab", "left")
        await job.until(lambda: "‹refunds/us›" in job.everything())
        await job.until(lambda: "1 changed" in job.everything())
        await checkpoints.repair(db, job_id, SetDocument(STUCK), PERSON, reason="no, as before")
        await job.press("ctrl+s")
        await job.until(lambda: "no, as before" in job.everything())
        assert (await checkpoints.read_checkpoint(db, job_id)).version == 3
        await job.press("escape", "u")
        await job.until(lambda: "Undo v3" in job.everything() and "What will happen" in job.everything())
        await job.press("enter")
        await job.until(lambda: "v4, 2 changed" in job.line("message"))
        current = await checkpoints.read_checkpoint(db, job_id)
        assert [value.resume for _, value in current.document.items()] == [None, None, None]


async def test_a_running_job_is_cancelled_first_if_one_wants_that(
    open_job: OpenJob, add_job: AddJob, db: asyncpg.Connection
) -> None:
    await _stuck_job(db, add_job)
    async with open_job("payments", "r", "2") as job:
        await job.until(lambda: "▶ RUNNING" in job.line("job-name"))
        await job.press("X")
        await job.until(lambda: "Let it run" in job.everything())
        await job.press("y")
        await job.until(lambda: "reads everything again" in job.everything())
        await job.press(*"new", "enter")
        await job.until(lambda: "3 gone" in job.line("message"))
        await job.until(lambda: "nothing yet: all will be read" in job.everything())


async def test_an_edit_is_checked_as_one_types_and_holds_the_job(
    open_job: OpenJob, add_job: AddJob, db: asyncpg.Connection
) -> None:
    document = Document({"records": {"default": PartitionValue({"through": 7, "generation": 1})}})
    job_id = await add_job("payments")
    await checkpoints.repair(db, job_id, SetDocument(document), PERSON, reason="as it was")
    async with open_job("payments", "2") as job:
        await job.until(lambda: any("through" in line for line in job.list("tree")))
        await job.press("G", "e")
        await job.until(lambda: "it can be written" in job.everything())
        assert await db.fetchval("SELECT hold_reason FROM etl_jobs WHERE id = $1", job_id)
        area = job.dashboard.app.screen.query_one(TextArea)
        before = area.text
        await job.press("x")
        await job.until(lambda: "✖ line" in job.everything())
        await job.press("escape")
        await job.until(lambda: "esc again leaves it" in job.everything())
        await job.press("ctrl+s")
        area.text = before.replace("7", '"seven"')
        await job.until(lambda: "records/default.bookmark.through: " in job.everything())
        area.text = area.text.replace('"seven"', "5")
        await job.until(lambda: "it can be written" in job.everything())
        await job.press("ctrl+s")
        await job.until(lambda: "reads again from an earlier bookmark" in job.everything())
        await job.press(*"oops", "enter")
        await job.until(lambda: "v2, 1 changed" in job.line("message"))
        current = await checkpoints.read_checkpoint(db, job_id)
        assert current.document.streams["records"]["default"].bookmark == {"through": 5, "generation": 1}
        await job.until(lambda: "READY held" not in job.line("job-name"))
