"""Chooses the transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

    from etl_core.broker.protocol import Broker
    from etl_core.settings import Settings


async def open_broker(
    settings: Settings,
    database_url: str,
    *,
    pool: asyncpg.Pool[asyncpg.Record] | None = None,
    application_name: str | None = None,
) -> Broker:
    """RabbitMQ where `settings.amqp_url` is set, else Postgres. Connects at the first use, not here.

    `pool` is what the postgres transport rings through, instead of a connection of its own;
    `application_name` is what the servers show for its own connections.

    Raises:
        InvalidInput: the AMQP URL cannot be read.
    """
    if settings.amqp_url is not None:
        from etl_core.broker.amqp import AmqpBroker

        return AmqpBroker(settings.amqp_url.get_secret_value(), name=application_name or "etl-tui")
    from etl_core.broker.postgres import PostgresBroker

    return PostgresBroker(database_url, pool=pool, application_name=application_name)
