"""A minute of chaos on each transport. The seed is printed; `tests.chaos.soak --seed N` repeats it."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.chaos.campaign import campaign
from tests.support.places import place

SECONDS = 60


@pytest.mark.timeout(600)
@pytest.mark.parametrize("transport", ["postgres", "amqp"])
async def test_a_minute_of_chaos(transport: str) -> None:
    seed = int(os.environ.get("ETL_CHAOS_SEED", secrets.randbelow(1_000_000)))
    folder = Path(tempfile.mkdtemp(prefix="etl-chaos-", dir=place()))
    folder.chmod(0o755)
    verdict = await campaign(folder, seed=seed, seconds=SECONDS, amqp=transport == "amqp")
    print(verdict)
    assert verdict.held, f"{verdict}\nlogs: {folder}"
    assert verdict.findings.batches_loaded, "nothing ran: the campaign proves nothing"
    shutil.rmtree(folder, ignore_errors=True)
