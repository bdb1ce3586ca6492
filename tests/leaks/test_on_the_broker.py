"""What scheduler and workers give RabbitMQ: on the wire, in the queues, on its disk and in its logs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.fernet import Fernet

from etl_core.broker.amqp import AmqpBroker
from etl_core.broker.protocol import Stage
from etl_core.store.database import Connection
from tests.chaos.cluster import OURS, SETTINGS, Program
from tests.leaks import leaky
from tests.leaks.planting import FORMS, Planter, new_secret
from tests.support.jobs import eventually, make_job
from tests.support.rabbitmq import RabbitMQ
from tests.support.relay import Tapped

_HOWS = tuple(how for how in leaky.HOWS if how != "transient")
"""That one is tried again for a while, and tells what the others tell."""
_RUNS_THAT_CAME_TO_SOMETHING = """
SELECT count(DISTINCT job_id) FROM job_runs
WHERE finished_at IS NOT NULL OR (state = 'QUEUED' AND ready_at > now())
"""


@pytest.mark.timeout(240)
async def test_no_secret_is_given_to_the_broker(
    db: Connection,
    database_url: str,
    own_rabbitmq: RabbitMQ,
    own_amqp_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By workers of a stage each, for those ring for each other; with jobs that tell their secrets."""
    monkeypatch.setenv("ETL_SECRET_KEY", Fernet.generate_key().decode())
    leaky.install(tmp_path)
    planter = Planter(tmp_path, monkeypatch)
    parts = urlsplit(own_amqp_url)
    wire = Tapped(parts.hostname or "", parts.port or 0)
    wire.open()
    url = f"amqp://guest:guest@127.0.0.1:{wire.port}/"
    try:
        for number, how in enumerate(_HOWS):
            form = FORMS[number % len(FORMS)]
            form = "env" if form == "keyring" else form  # a keyring is of a process
            token, password, key = (planter.plant(new_secret(), form) for _ in range(3))
            config = {"how": how, "token": token, "accounts": [{"name": "a", "password": password}]}
            await make_job(db, how, integration=how, kind="leaky", config={**config, "api_key": key})
        environment = {name: value for name, value in os.environ.items() if name not in OURS} | SETTINGS
        environment |= {"ETL_DATABASE_URL": database_url, "ETL_AMQP_URL": url, "PYTHONPATH": str(tmp_path)}
        programs = [Program("scheduler", 0, environment, tmp_path)]
        for number, stages in enumerate(("extract", "transform", "load")):
            programs.append(Program("workers", number, environment, tmp_path, "--stages", stages))
        for program in programs:
            program.start()
        try:
            await eventually(lambda: _is(db, "SELECT count(*) FROM workers", 3), "three workers")
            await eventually(lambda: _is(db, _RUNS_THAT_CAME_TO_SOMETHING, len(_HOWS)), "runs that end")
        finally:
            for program in programs:
                await asyncio.to_thread(program.end)
        broker = AmqpBroker(url)
        await broker.ring(Stage.EXTRACT)  # one that stays in its queue
        await broker.close()
    finally:
        wire.close()
        planter.close()
        leaky.forget()
    loaded = await db.fetchval("SELECT count(*) FROM run_batches WHERE state = 'LOADED'")
    assert loaded, "some went through all stages"
    kept = b"".join(path.read_bytes() for path in own_rabbitmq.folder.rglob("*") if path.is_file())
    find = planter.finder()
    for place, there in (("wire", bytes(wire.passed)), ("disk", kept)):
        for stage in ("extract", "transform", "load"):
            assert b'{"v":1,"stage":"%b"}' % stage.encode() in there, f"{place}: rings can be read there"
        assert not find(there.decode("latin-1")), place


async def _is(db: Connection, query: str, number: int) -> bool:
    return bool(await db.fetchval(query) == number)
