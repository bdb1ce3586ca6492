"""Random sequences of all that can befall a source and the workers that load it.

`ETL_MODEL_EXAMPLES=2000` looks for longer (`make soak`: 200); `ETL_MODEL_STEPS` (40) is the length of each.
"""

from __future__ import annotations

import asyncio
import os

import pytest
import stamina
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from etl_core.store.embedded import EmbeddedServer
from tests.lifecycle.state_machine.machine import Grounds
from tests.workers.model.machine import Model, at_once
from tests.workers.model.source import WorldConnector
from workers import extract, run_connector

EXAMPLES = int(os.environ.get("ETL_MODEL_EXAMPLES", "4"))
STEPS = int(os.environ.get("ETL_MODEL_STEPS", "40"))


@pytest.mark.timeout(0 if EXAMPLES > 100 else 600)  # what fails is made short for up to 300 s
def test_the_destination_ends_as_the_source_is(
    postgres: EmbeddedServer, template_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_connector, "find_connector", lambda _: WorldConnector)
    monkeypatch.setattr(extract, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(asyncio, "to_thread", at_once)
    grounds = Grounds(postgres.url("postgres"), template_database)

    class OnThese(Model):
        def __init__(self) -> None:
            super().__init__(grounds)

    try:
        with stamina.set_testing(True, attempts=20):  # without pauses
            run_state_machine_as_test(
                OnThese,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
    finally:
        grounds.close()
