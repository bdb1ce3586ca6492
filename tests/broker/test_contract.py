"""What every transport promises, tried on real servers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from etl_core.broker.protocol import Broker, Doorbell, Stage
from etl_core.errors import Unreachable
from tests.broker.conftest import Transport

ALL = tuple(Stage)
LONG = 60.0
"""Seconds that bound what would otherwise hang; nothing is expected to take them."""
SHORT = 0.3
"""Seconds in which nothing is expected to happen."""


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return when it holds."""
    async with asyncio.timeout(LONG):
        while not await condition():
            await asyncio.sleep(0.05)


async def connected(*bells: Doorbell) -> None:
    """Wait until they are connected, and take the ring that comes with it."""

    async def all_are() -> bool:
        return all(bell.connected for bell in bells)

    await until(all_are)
    for bell in bells:
        assert await bell.wait(LONG)


async def gets_through(broker: Broker) -> None:
    """Ring until a ring is confirmed."""

    async def confirmed() -> bool:
        try:
            await broker.ring(Stage.EXTRACT)
        except Unreachable:
            return False
        return True

    await until(confirmed)


async def test_a_ring_wakes_who_waits(transport: Transport) -> None:
    async with transport.broker() as broker, broker.subscribe(ALL) as bell:
        await connected(bell)
        waiting = asyncio.ensure_future(bell.wait(LONG))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await broker.ring(Stage.LOAD)
        assert await waiting


async def test_a_ring_between_waits_is_kept(transport: Transport) -> None:
    async with transport.broker() as broker, broker.subscribe(ALL) as bell:
        await connected(bell)
        await broker.ring(Stage.EXTRACT)
        await asyncio.sleep(SHORT)
        assert await bell.wait(LONG)
        assert not await bell.wait(SHORT)


async def test_rings_coalesce(transport: Transport) -> None:
    async with transport.broker() as broker, broker.subscribe(ALL) as bell:
        await connected(bell)
        for _ in range(3):
            await broker.ring(Stage.EXTRACT, times=10)

        async def delivered() -> bool:
            depth = await broker.depth(Stage.EXTRACT)
            return depth is None or depth.ready == 0

        await until(delivered)
        await asyncio.sleep(SHORT)
        assert await bell.wait(LONG)
        assert not await bell.wait(SHORT)


async def test_only_its_stages_ring(transport: Transport) -> None:
    async with transport.broker() as broker, broker.subscribe([Stage.LOAD, Stage.TRANSFORM]) as bell:
        await connected(bell)
        await broker.ring(Stage.EXTRACT)
        assert not await bell.wait(SHORT)
        await broker.ring(Stage.TRANSFORM)
        assert await bell.wait(LONG)


async def test_ringing_no_times_rings_nobody(transport: Transport) -> None:
    async with transport.broker() as broker, broker.subscribe(ALL) as bell:
        await connected(bell)
        await broker.ring(Stage.EXTRACT, times=0)
        assert not await bell.wait(SHORT)


async def test_two_workers_can_both_be_woken(transport: Transport) -> None:
    async with transport.broker() as broker, broker.subscribe(ALL) as one, broker.subscribe(ALL) as two:
        await connected(one, two)
        await broker.ring(Stage.EXTRACT, times=2)
        assert await one.wait(LONG)
        assert await two.wait(LONG)


async def test_a_paused_doorbell_leaves_rings_to_others(transport: Transport) -> None:
    async with transport.broker() as broker, broker.subscribe(ALL) as full, broker.subscribe(ALL) as free:
        await connected(full, free)
        await full.pause()
        for _ in range(3):
            await broker.ring(Stage.EXTRACT)
            assert await free.wait(LONG)
        assert not await full.wait(SHORT)
        assert full.connected


async def test_a_resumed_doorbell_rings_again(transport: Transport) -> None:
    async with transport.broker() as broker, broker.subscribe(ALL) as bell:
        await connected(bell)
        await bell.pause()
        await bell.pause()
        await broker.ring(Stage.EXTRACT)
        assert not await bell.wait(SHORT)
        await bell.resume()
        assert await bell.wait(LONG)  # for what rang meanwhile
        while await bell.wait(SHORT):
            pass
        await bell.resume()
        assert not await bell.wait(SHORT)
        await broker.ring(Stage.EXTRACT)
        assert await bell.wait(LONG)


async def test_subscribing_while_the_server_is_down(transport: Transport) -> None:
    transport.relay.shut()
    async with transport.broker(transport.relayed_url) as broker, broker.subscribe(ALL) as bell:
        assert not await bell.wait(SHORT)
        assert not bell.connected
        await bell.pause()
        await bell.resume()
        transport.relay.open()
        await connected(bell)
        while await bell.wait(SHORT):
            pass
        await gets_through(broker)
        assert await bell.wait(LONG)


async def test_a_doorbell_paused_in_an_outage_stays_paused(transport: Transport) -> None:
    transport.relay.shut()
    async with (
        transport.broker() as broker,
        transport.broker(transport.relayed_url) as away,
        away.subscribe(ALL) as full,
        broker.subscribe(ALL) as free,
    ):
        await full.pause()
        transport.relay.open()

        async def back() -> bool:
            return full.connected

        await until(back)
        await connected(free)
        await broker.ring(Stage.EXTRACT)
        assert await free.wait(LONG)
        assert not await full.wait(SHORT)


async def test_the_server_ends_all_connections(transport: Transport) -> None:
    async with transport.broker() as broker, broker.subscribe(ALL) as bell:
        await connected(bell)
        await broker.ring(Stage.EXTRACT)
        assert await bell.wait(LONG)
        await transport.cut()
        assert await bell.wait(LONG)  # connected again: look what was missed
        await connected_again(bell)
        await gets_through(broker)
        assert await bell.wait(LONG)


async def connected_again(bell: Doorbell) -> None:
    """Wait until it is connected and silent."""

    async def quiet() -> bool:
        return bell.connected and not await bell.wait(SHORT)

    await until(quiet)


async def test_a_ring_right_after_a_cut_gets_through(transport: Transport) -> None:
    async with (
        transport.broker(transport.relayed_url) as broker,
        transport.broker() as other,
        other.subscribe(ALL) as bell,
    ):
        await connected(bell)
        for _ in range(3):
            await broker.ring(Stage.EXTRACT)
            assert await bell.wait(LONG)
            transport.relay.cut()


async def test_ringing_a_server_that_is_down(transport: Transport) -> None:
    transport.relay.shut()
    async with transport.broker(transport.relayed_url) as broker:
        for _ in range(2):
            async with asyncio.timeout(LONG):
                with pytest.raises(Unreachable, match="cannot ring extract"):
                    await broker.ring(Stage.EXTRACT)
        transport.relay.open()
        await gets_through(broker)


async def test_ringing_a_server_that_goes_away(transport: Transport) -> None:
    async with transport.broker(transport.relayed_url) as broker:
        await broker.ring(Stage.EXTRACT)
        transport.relay.shut()
        async with asyncio.timeout(LONG):
            with pytest.raises(Unreachable):
                await broker.ring(Stage.EXTRACT)
        transport.relay.open()
        await gets_through(broker)


@pytest.mark.parametrize("known", [False, True], ids=["first ring", "known connection"])
async def test_ringing_a_server_that_does_not_answer(transport: Transport, known: bool) -> None:
    async with transport.broker(transport.relayed_url) as broker:
        if known:
            await broker.ring(Stage.EXTRACT)
        transport.relay.stall()
        async with asyncio.timeout(LONG):
            with pytest.raises(Unreachable, match="no answer within 5 s"):
                await broker.ring(Stage.EXTRACT)
        transport.relay.cut()
        transport.relay.flow()
        await gets_through(broker)


async def test_many_ring_at_once(transport: Transport) -> None:
    async with transport.broker() as broker, broker.subscribe(ALL) as bell:
        await connected(bell)
        await asyncio.gather(*(broker.ring(stage, times=5) for stage in ALL for _ in range(5)))
        assert await bell.wait(LONG)


async def test_a_broker_rings_after_close_too(transport: Transport) -> None:
    async with transport.broker() as broker:
        await broker.ring(Stage.EXTRACT)
        await broker.close()
        await broker.close()
        await broker.ring(Stage.EXTRACT)


async def test_an_outage_is_told_once_and_without_the_password(transport: Transport) -> None:
    transport.relay.shut()
    scheme, _, rest = transport.relayed_url.partition("://")
    url = f"{scheme}://someone:s3cr%21t@{rest.rpartition('@')[2]}"
    with capture_logs() as logs:
        async with transport.broker(url) as broker, broker.subscribe(ALL) as bell:
            assert not await bell.wait(1.5)  # long enough for several attempts
            with pytest.raises(Unreachable) as caught:
                await broker.ring(Stage.EXTRACT)
    told = [entry for entry in logs if entry["event"] == "broker_unreachable"]
    # One each for the doorbell and, where it has a supervised connection too, the ringing side.
    assert len(told) == (2 if transport.name == "amqp" else 1)
    assert "someone:***@127.0.0.1" in told[0]["broker"]
    assert "someone:***@127.0.0.1" in str(caught.value)
    for text in (str(caught.value), repr(logs)):
        assert "s3cr" not in text
    assert caught.value.__cause__ is None
