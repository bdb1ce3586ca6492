"""A fifth of the calls meets a fault while the world changes: what is loaded is what there was, each once."""

from __future__ import annotations

import random

from etl_core.errors import Transient
from etl_core.testing.walking import Destination
from tests.simulators.faults import DRIP, TIMEOUT, Faults
from tests.simulators.github import SMALL, GitHubSimulator, make_world, serve_github
from tests.simulators.github.faults import SURVIVABLE
from tests.workers.connectors.github.reading import expect_all, read

_QUICK = [fault for fault in SURVIVABLE if fault not in (TIMEOUT, DRIP) and "Retry-After" not in fault.name]
"""The others only take longer."""
_QUICK = [fault for fault in _QUICK if "limit" not in fault.name or "resource" in fault.name]


async def test_complete_and_exact() -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")  # shown when it fails
    rng = random.Random(seed)
    faults = Faults(seed=seed, share=0.2, kinds=_QUICK)
    async with serve_github(GitHubSimulator(make_world(seed, SMALL), faults)) as github:
        github.changes_per_request = 0.5
        loaded = Destination()
        for number in range(4):
            since = github.world.history.now
            stop = rng.randrange(1, 20) if number % 2 else None
            settings = {"recheck_hours": 0, "recheck_days": 400, "page_size": rng.choice([2, 5])}
            for _ in range(4):  # as a worker does
                try:
                    await read(github, loaded, stop_after=stop, **settings)
                    break
                except Transient:
                    continue
            if stop is None:
                assert not loaded.failures
                expect_all(github, loaded, since)
        assert sum(faults.met.values()) > 3
        github.freeze()
        await read(github, loaded, recheck_hours=0, recheck_days=400)
        expect_all(github, loaded)
