"""From a file to what a search finds, by a worker process that is killed while it embeds."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from etl_core.control.jobs import run_now
from etl_core.control.vectors import vectorize
from etl_core.models.vectors import VectorRequest
from etl_core.store.database import Connection
from tests.e2e.running import processes, until_ended
from tests.simulators.embeddings import Fault, serve_embeddings
from tests.support.jobs import PERSON, eventually, make_job

BATCH = 10
TITLES = [f"ticket number{n}" for n in range(3 * BATCH)]
VECTORS = "acme_files.tickets_vectors"


async def test_a_worker_killed_while_it_embeds(db: Connection, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    file.write_text("id,title\n" + "".join(f"{n},{title}\n" for n, title in enumerate(TITLES)))
    config = {"path": str(file), "stream": "tickets", "key": ["id"]}
    job_id = await make_job(db, "tickets", integration="files", kind="files", config=config)
    with serve_embeddings() as server, processes(database_url, None, tmp_path) as fleet:
        victim = fleet.worker()
        await run_now(db, job_id, PERSON)
        assert (await until_ended(db, job_id))["state"] == "SUCCEEDED"
        # It is asked for the dimension, embeds a batch, and dies while it waits for the second.
        server.faults.extend([Fault(), Fault(), Fault(hangs=True)])
        request = VectorRequest(
            text_columns=["title"], provider="http", model="tiny", url=server.url, batch_size=BATCH
        )
        await vectorize(
            db, tenant="acme", integration="files", stream="tickets", request=request, actor=PERSON
        )

        async def it_hangs() -> bool:
            return len(server.requests) == 3

        await eventually(it_hangs, "the request that is not answered")
        victim.kill()
        assert await db.fetchval(f"SELECT count(*) FROM {VECTORS}") == BATCH
        server.released.set()
        server.forget()
        await db.execute("UPDATE vector_ranges SET leased_until = now()")  # nobody waits for it here
        fleet.worker()
        await eventually(lambda: db.fetchval(f"SELECT count(*) = $1 FROM {VECTORS}", len(TITLES)))
        embedded = await db.fetchval(f"SELECT count(*) FROM {VECTORS} WHERE _embedding IS NOT NULL")
        assert embedded == len(TITLES)
        # What was kept before the death is not asked for again; the rest just once.
        assert Counter(server.texts) == Counter(TITLES[BATCH:])

        found = await asyncio.to_thread(search, database_url, "number17")
        assert "ticket number17" in found.splitlines()[1]


def search(database_url: str, text: str) -> str:
    """What `etl-tui search` prints."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ETL_")}
    return subprocess.run(
        [sys.executable, "-m", "etl_tui", "search", text, "--stream", "tickets", "--limit", "3"],
        env=inherited | {"ETL_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
