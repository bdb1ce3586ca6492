from __future__ import annotations

from pydantic import SecretStr

from etl_core.broker.open import open_broker
from etl_core.settings import Settings


async def test_rabbitmq_where_its_url_is_set_else_postgres() -> None:
    for url, transport in ((None, "postgres"), (SecretStr("amqp://mq.example/"), "amqp")):
        broker = await open_broker(Settings(amqp_url=url), "postgresql://db/etl")
        assert broker.transport == transport
        await broker.close()
