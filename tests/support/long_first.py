"""A pytest plugin: under xdist, each worker begins with its share of the tests that take long.

`--dist worksteal` gives each worker an equal piece of the list, and whoever has finished takes from the end
of another's. A test of a minute at the end of a piece would be waited for with the other cores idle. Long is
what has a `timeout` of its own above the usual one.
"""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers > 1:
        items[:] = dealt_out(items, workers, usual=float(config.getini("timeout") or 0))


def dealt_out(items: list[pytest.Item], workers: int, *, usual: float) -> list[pytest.Item]:
    """The same items; each of as many equal pieces as there are workers begins with long ones."""
    long = sorted((item for item in items if _seconds(item) > usual), key=_seconds, reverse=True)
    others = [item for item in items if _seconds(item) <= usual]
    pieces: list[pytest.Item] = []
    for number in range(workers):
        first = long[number::workers]
        size = (len(items) - len(pieces)) // (workers - number)  # as xdist cuts them
        rest = max(size - len(first), 0)
        pieces += [*first, *others[:rest]]
        del others[:rest]
    return pieces + others


def _seconds(item: pytest.Item) -> float:
    """What a test says that it may take; 0 if nothing, or for ever."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker and marker.args else 0.0
