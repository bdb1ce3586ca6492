"""take_budget_turn, on each supported server: windows, what the source says of them, rest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from etl_core.store.database import Connection
from etl_core.store.queries import load
from tests.sql.schema import migrated
from tests.support.postgres15 import Postgres15

_budgets = load("budgets")
HOUR = timedelta(hours=1)


@pytest.fixture
def conn(db: Connection) -> Connection:
    return db


async def turn(conn: Connection, **given: Any) -> asyncpg.Record:
    parameters: dict[str, Any] = {
        "credential": b"hash", "resource": "api", "capacity": 1_000, "per": HOUR, "of_window": None,
        "spent": 0, "given_back": 0, "seen": None, "seen_limit": None, "resets_in": None, "rest": None,
        "at_least": 0, "at_most": 20,
    }  # fmt: skip
    row: asyncpg.Record = await _budgets.take_budget_turn(conn, **(parameters | given))
    return row


async def left(conn: Connection) -> int:
    found: int = await conn.fetchval("SELECT remaining FROM credential_budgets")
    return found


async def end_window(conn: Connection) -> None:
    """Time passes: what is in workers' hands has been used long since."""
    await conn.execute(
        """UPDATE credential_budgets
        SET ends_at = now() - interval '1 s', reserved_at = now() - interval '1 min'"""
    )


async def test_a_lot_is_reserved_and_what_is_left_of_it_goes_back(conn: Connection) -> None:
    lot = await turn(conn, at_least=1)
    assert (lot["granted"], lot["wait"]) == (20, 0)
    assert 3_595 < lot["seconds_left"] <= 3_600
    assert await left(conn) == 980
    await turn(conn, of_window=lot["in_window"], spent=5, given_back=15)
    assert await left(conn) == 995
    assert await conn.fetchval("SELECT reserved FROM credential_budgets") == 0


async def test_lots_grow_small_as_the_window_empties(conn: Connection) -> None:
    """So that the last units are not all in the hands of one."""
    granted = []
    while lot := (await turn(conn, at_least=1))["granted"]:
        granted.append(lot)
    assert sum(granted) == 1_000
    assert granted[0] == 20
    assert granted[-1] == 1
    assert granted == sorted(granted, reverse=True)


async def test_nothing_left_says_how_long_to_wait(conn: Connection) -> None:
    await turn(conn, at_least=1_000, at_most=1_000)
    refused = await turn(conn, at_least=1)
    assert refused["granted"] == 0
    assert refused["wait"] <= 1  # what another holds may come back
    await conn.execute("UPDATE credential_budgets SET reserved_at = now() - interval '1 min'")
    assert 3_595 < (await turn(conn, at_least=1))["wait"] <= 3_600
    await end_window(conn)
    assert (await turn(conn, at_least=1))["granted"] == 20
    assert await left(conn) == 980


async def test_what_is_in_hands_at_the_turn_of_a_window_counts_for_the_new_one(conn: Connection) -> None:
    lot = await turn(conn, at_least=100, at_most=100)
    await conn.execute("UPDATE credential_budgets SET ends_at = now() - interval '1 ms'")
    await turn(conn)
    assert await left(conn) == 900
    await turn(conn, of_window=lot["in_window"], spent=0, given_back=100)  # of the old window: too late
    assert await left(conn) == 900


async def test_the_source_lowers_what_is_left(conn: Connection) -> None:
    """Others use the credential, too. What is in hands is not counted by the source yet."""
    await turn(conn, at_least=1)
    await turn(conn, seen=300, seen_limit=5_000, resets_in=timedelta(minutes=10))
    assert await left(conn) == 280
    assert 595 < (await turn(conn))["seconds_left"] <= 600
    await turn(conn, seen=250, resets_in=timedelta(minutes=10))
    assert await left(conn) == 230
    await turn(conn, seen=290, resets_in=timedelta(minutes=10))  # overtaken by the one before
    assert await left(conn) == 230


async def test_a_late_answer_of_an_older_window_says_nothing(conn: Connection) -> None:
    await turn(conn, seen=500, resets_in=timedelta(minutes=50))
    for seen in (900, 3):
        await turn(conn, seen=seen, resets_in=timedelta(seconds=2))
        assert await left(conn) == 500
    await turn(conn, seen=900, resets_in=timedelta(seconds=-5))
    assert await left(conn) == 500
    assert (await turn(conn))["seconds_left"] > 2_900


async def test_an_answer_of_a_later_window_begins_it(conn: Connection) -> None:
    """The source counts anew a little before we think so."""
    first = await turn(conn, seen=0, resets_in=timedelta(seconds=20))
    assert (await turn(conn, at_least=1))["granted"] == 0
    later = await turn(conn, seen=990, resets_in=timedelta(minutes=60))
    assert later["in_window"] > first["in_window"]
    assert await left(conn) == 990


async def test_the_limit_of_the_source_holds_for_later_windows(conn: Connection) -> None:
    await turn(conn, seen=50, seen_limit=60, resets_in=timedelta(minutes=10))
    await end_window(conn)
    await turn(conn)
    assert await left(conn) == 60


async def test_what_is_declared_anew_holds_at_once_when_it_is_less(conn: Connection) -> None:
    await turn(conn)
    await turn(conn, capacity=10, per=timedelta(minutes=1))
    assert await left(conn) == 10
    assert (await turn(conn, capacity=10, per=timedelta(minutes=1)))["seconds_left"] <= 60
    await turn(conn, capacity=2_000)
    assert await left(conn) == 10


async def test_while_it_rests_nobody_gets_anything(conn: Connection) -> None:
    await turn(conn, rest=timedelta(minutes=5))
    await turn(conn, rest=timedelta(minutes=1))  # does not shorten it
    refused = await turn(conn, at_least=1)
    assert refused["granted"] == 0
    assert 295 < refused["wait"] <= 300
    await turn(conn, resource="another")
    assert (await turn(conn, resource="another", at_least=1))["granted"] == 20


async def test_on_the_oldest_server(postgres15: Postgres15) -> None:
    """All of the above, in one database: making one takes longer than all of them."""
    cases = [case for name, case in globals().items() if name.startswith("test_") and "oldest" not in name]
    assert len(cases) >= 10
    async with migrated(postgres15.url("postgres")) as conn:
        for case in cases:
            await case(conn)
            await conn.execute("TRUNCATE credential_budgets")
