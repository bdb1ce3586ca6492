"""No secret in clear: every connector's, in every form, failing in every way; then everything is searched."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina
import structlog
from cryptography.fernet import Fernet

from etl_core import secret_values
from etl_core.connectors_registry import connector_types, find_connector
from etl_core.control.integration_trial import find_integration, try_integration
from etl_core.control.integrations import add_integration
from etl_core.control.secret_fields import secret_fields
from etl_core.errors import InvalidInput
from etl_core.process import configure_logging
from etl_core.secret_references import places_of
from etl_core.settings import load_settings
from etl_core.store.database import Connection
from etl_tui.cli.main import run as run_command
from tests.leaks import leaky
from tests.leaks.hostile import Hostile
from tests.leaks.planting import Form, Planter
from tests.leaks.searching import Started, all_rows
from tests.leaks.specimens import Specimen, specimens
from tests.simulators.serve import serving
from tests.support.jobs import PERSON, make_job, start_run
from tests.workers.running import Hand, hand
from workers import extract
from workers.budget import PostgresBudgets
from workers.connectors.github import page_size
from workers.execution import Execution

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def planter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[Planter]:
    """A process whose secrets come from everywhere, with the leaky connector installed."""
    monkeypatch.setenv("ETL_SECRET_KEY", Fernet.generate_key().decode())
    monkeypatch.setenv("ETL_DATABASE_URL", database_url)
    monkeypatch.setenv("ETL_LOG_LEVEL", "debug")
    monkeypatch.setenv("ETL_ALLOW_COMMANDS", f"{tmp_path}/")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(extract, "FIRST_PAUSE", 0)
    monkeypatch.setattr(extract, "TRIES_IN_PLACE", 2)
    monkeypatch.setattr(page_size, "FIRST_WAIT", 0)
    leaky.install(tmp_path)
    planter = Planter(tmp_path, monkeypatch)
    stamina.set_testing(True, attempts=2)
    yield planter
    stamina.set_testing(False)
    planter.close()
    leaky.forget()
    structlog.reset_defaults()


def test_every_secret_field_is_planted(planter: Planter, tmp_path: Path) -> None:
    planted: dict[str, set[str]] = {}
    for specimen in specimens(tmp_path):
        kind = find_connector(specimen.type)
        config = specimen.make("http://127.0.0.1:9", lambda secret: planter.plant(secret, "env"))
        found = {place for place, _ in places_of(config, secret_fields(kind.Config))}
        planted.setdefault(specimen.type, set()).update(found)
    for type_ in connector_types():
        for field in secret_fields(find_connector(type_).Config):
            here = planted.get(type_, set())
            assert any(place == field or place.startswith(f"{field}.") for place in here), (
                f"no specimen of tests/leaks/specimens.py plants a secret in {field} of connector {type_}"
            )


class Walk:
    """Fails every specimen in each of its ways, with references of every form in turn."""

    def __init__(self, db: Connection, worker: Hand, planter: Planter, server: Hostile, url: str) -> None:
        self._db, self._worker, self._planter, self._server, self._url = db, worker, planter, server, url
        self._budgets = PostgresBudgets(worker.pool)
        self._secrets: dict[str, list[str]] = {}
        self.trials: list[str] = []
        self.runs: list[Any] = []

    async def take(self, folder: Path) -> None:
        turns = itertools.count()
        for specimen in specimens(folder):
            for way in specimen.ways:
                await self._fail(specimen, way, specimen.forms[next(turns) % len(specimen.forms)])
            next(turns)  # another form for the same way of the next one

    async def _fail(self, specimen: Specimen, way: str, form: Form) -> None:
        name = f"{specimen.type} {specimen.name} {way}"
        at = way if specimen.type in ("leaky", "command", "singer") else f"{self._url}/{way}"
        if way == "refused":
            at = "http://127.0.0.1:9/refused"  # the port of `discard`, which nobody serves
        kept = iter([*self._secrets.setdefault(specimen.name, [])])

        def plant(secret: str) -> str:
            """The same secret in all ways: what is slow is its hash."""
            known = next(kept, None)
            if known is None:
                self._secrets[specimen.name].append(secret)
            return self._planter.plant(known or secret, form)

        config = specimen.make(at, plant)
        which: dict[str, Any] = {"tenant": "acme", "name": name, "integration_type": specimen.type}
        await add_integration(self._db, config=config, actor=PERSON, seen_by_others=False, **which)
        row = await find_integration(self._db, f"acme/{name}")
        try:
            self.trials.append((await try_integration(row, timeout_s=20)).model_dump_json())
        except InvalidInput as error:
            self.trials.append(str(error))
        job = await make_job(self._db, name, integration=name)
        run = await start_run(self._db, job, self._worker.worker_id)
        await Execution(self._worker.pool, self._worker.worker_id, run, budgets=self._budgets).carry_out()
        self.runs.append((name, await self._worker.row(run)))


@pytest.fixture
async def walk(db: Connection, database_url: str, planter: Planter) -> AsyncIterator[tuple[Walk, Hostile]]:
    server = Hostile()
    await db.execute("INSERT INTO tenants (name) VALUES ('acme')")
    async with (
        hand(db, database_url) as worker,
        serving(server.app) as url,
        serving(server.other) as other,
    ):
        server.other_url = other.replace("127.0.0.1", "localhost")
        yield Walk(db, worker, planter, server, url), server


async def test_no_secret_is_found_anywhere(
    db: Connection,
    walk: tuple[Walk, Hostile],
    planter: Planter,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure_logging(load_settings())
    started = Started()
    taken, server = walk
    await taken.take(tmp_path)
    logged = "".join(capfd.readouterr())
    started.close()
    assert server.credentials
    assert server.seen_elsewhere
    planter.hidden |= server.credentials
    find = planter.finder()

    places = await all_rows(db)
    for place, texts in (
        ("trials", taken.trials),
        ("the place that redirects lead to", server.seen_elsewhere),
        ("programs started", started.arguments),
        ("logs", [logged]),
    ):
        places[place] = "\n".join(texts)
    # Commands are processes of their own, which know no secret that they did not read themselves.
    monkeypatch.setattr(secret_values, "_known", {})
    monkeypatch.setattr(secret_values, "_forms_by_length", ())
    for command in _commands(taken.runs):
        for arguments in (command, [*command, "--json"]):
            await asyncio.to_thread(run_command, arguments)
            places[f"etl-tui {' '.join(arguments)}"] = "".join(capfd.readouterr())
    leaks = {place: found[:3] for place, text in places.items() if (found := find(text))}
    assert not leaks, json.dumps(leaks, indent=1)


def _commands(runs: list[Any]) -> Iterator[list[str]]:
    """Whatever shows something of integrations, jobs and runs."""
    for group in ("integrations", "jobs", "secrets", "rejects", "limits", "windows", "workers", "tenants"):
        yield [group, "list"]
    yield ["doctor"]
    yield ["connectors", "list"]
    yield ["db", "status"]
    yield ["pause", "--list"]
    yield ["queues", "list"]
    yield ["runs", "list"]
    yield ["audit", "list"]
    for name, run in runs[:: len(runs) // 8]:
        yield ["runs", "show", str(run["id"])]
        yield ["runs", "log", str(run["id"])]
        yield ["jobs", "show", f"acme/{name}"]
        yield ["jobs", "why", f"acme/{name}"]
        yield ["checkpoint", "history", f"acme/{name}"]
