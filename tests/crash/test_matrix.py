"""The points around every commit, on both transports; all the others: `python -m tests.crash.matrix`."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl_core.store import embedded
from tests.crash.layouts import LAYOUTS, Layout, ask_for_run_elsewhere
from tests.crash.matrix import run_cases, sites, table
from tests.crash.seam import Moment, Point

READS = {"list_checkpoints", "loading_state", "read_payload", "is_settleable"}
"""Statements outside a transaction that leave nothing behind."""


def matters(layout: Layout, point: Point, moment: Moment) -> bool:
    """Both sides of a COMMIT; of a statement that commits by itself what lies behind it.

    What is the same in another layout is left out.
    """
    if not point.commits or point.statement in READS:
        return False
    if layout.prepare is ask_for_run_elsewhere:  # around the commit there; before it there is nothing yet
        return point.step == "destination.turn" and point.statement == "COMMIT" and moment == "after"
    if layout.page_size > 500:
        return point.step == "load.commit" and point.nth == 1
    if layout.name != "all stages" and (point.nth > 1 or point.step == "tables.ensure_tables"):
        return False
    return point.statement == "COMMIT" or moment == "after"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("transport", ["postgres", "amqp"])
async def test_whoever_dies_around_a_commit_is_recovered(
    request: pytest.FixtureRequest,
    postgres: embedded.EmbeddedServer,
    template_database: str,
    tmp_path: Path,
    transport: str,
) -> None:
    rabbitmq = request.getfixturevalue("own_rabbitmq") if transport == "amqp" else None
    # Rings have no part in what happens between two databases.
    layouts = [each for each in LAYOUTS if not rabbitmq or each.prepare is not ask_for_run_elsewhere]
    admin_url = postgres.url("postgres")
    places = await sites(admin_url, template_database, tmp_path, rabbitmq)
    outcomes = [outcome async for outcome in run_cases(places, layouts, matters)]
    print(table(outcomes))
    assert {outcome.layout for outcome in outcomes} == {layout.name for layout in layouts}
    wrong = [str(outcome) for outcome in outcomes if not outcome.held]
    assert not wrong, "\n".join(wrong)
