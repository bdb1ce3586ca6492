"""What `integrations test` tells of a database, and what is refused before anything is read."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from etl_core.connector import ExtractContext
from etl_core.errors import Permanent, SourceError, Transient, Unauthorised
from etl_core.store.database import Connection
from workers.connectors.postgres import PostgresConnector
from workers.connectors.postgres.config import PostgresConfig


def connector(url: str, *tables: object, **config: object) -> PostgresConnector:
    return PostgresConnector(PostgresConfig.model_validate({"url": url, "tables": list(tables), **config}))


async def test_it_names_what_is_missing_for_each_table(db: Connection, database_url: str) -> None:
    role = f"reader_{abs(hash(database_url)) % 10**9}"
    await db.execute(
        f"""
        CREATE SCHEMA shop; CREATE SCHEMA closed;
        CREATE TABLE shop.open (id int PRIMARY KEY, at timestamptz, secret text);
        CREATE TABLE shop.hidden (id int PRIMARY KEY);
        CREATE TABLE shop.no_key (id int);
        CREATE TABLE closed.away (id int PRIMARY KEY);
        CREATE ROLE {role} LOGIN;
        GRANT USAGE ON SCHEMA shop TO {role};
        GRANT SELECT (id, at) ON shop.open TO {role};
        GRANT SELECT ON shop.no_key TO {role};
        """
    )
    try:
        url = database_url.replace("postgres@", f"{role}@", 1)
        part = {"table": "shop.open", "cursor": "at", "exclude_columns": ["secret"], "stream": "part"}
        found = await connector(url, part, "shop.*", "closed.away", "shop.not_there").check()
        told = {(each.what, each.state): f"{each.detail} | {each.remedy}" for each in found}
        assert role in told["server", "ok"]
        assert "by at" in told["shop.open", "ok"]
        assert 'CREATE INDEX CONCURRENTLY ON "shop"."open" ("at", "id")' in told["shop.open", "unknown"]
        assert f'GRANT SELECT ON "shop"."hidden" TO "{role}"' in told["shop.hidden", "missing"]
        assert "no primary key" in told["shop.no_key", "failed"]
        assert f'GRANT USAGE ON SCHEMA "closed" TO "{role}"' in told["closed.away", "missing"]
        assert "no such table" in told["shop.not_there", "failed"]
        assert len(found) == 7
        (whole,) = [each for each in await connector(url, "shop.open").check() if each.state == "missing"]
        assert "column secret" in whole.detail
        await db.execute(f"ALTER ROLE {role} NOLOGIN")
        with pytest.raises(Unauthorised, match="not permitted to log in"):
            await connector(url, "shop.open").check()
    finally:
        await db.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize(
    ("url", "kind", "told"),
    [
        ("postgresql://me:pa55word@127.0.0.1:1/db", Transient, "cannot be reached"),
        ("postgresql://me:pa55word@127.0.0.1:1/db?sslmode=pa55word", Permanent, "sslmode"),
        ("{url}&sslmode=verify-full&sslrootcert=/no/such/pa55word.pem", SourceError, "PostgreSQL"),
    ],
)
async def test_a_way_that_leads_nowhere_is_told_without_the_password(
    empty_database_url: str, url: str, kind: type[SourceError], told: str
) -> None:
    reading = connector(url.format(url=empty_database_url), "t")
    with pytest.raises(kind, match=told) as raised:
        await reading.discover(ExtractContext())
    assert "pa55word@" not in str(raised.value)
    assert "pa55word" not in repr(reading.config)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"url": "mysql://x"}, "postgresql://"),
        ({"url": "file:/etc/url"}, "password"),
        ({"tables": []}, "tables, queries"),
        ({"tables": [{"table": "a.b.c"}]}, "schema.table"),
        ({"tables": [{"table": "shop.*", "stream": "one"}]}, "several tables"),
        ({"tables": [{"table": "t", "curser": "at"}]}, "curser"),
        ({"tables": [{"table": "t", "key": ["a", "a"]}]}, "twice"),
        ({"queries": [{"query": "SELECT 1", "stream": "s", "key": "a", "cursor": "xmin"}]}, "xmin"),
        ({"time_zone": "Nowhere/Land"}, "time zone"),
    ],
)
def test_a_configuration_that_cannot_be_right_is_named(config: dict[str, object], told: str) -> None:
    whole = {"url": "env:SHOP_URL", "tables": ["t"], **config}
    with pytest.raises(ValidationError, match=told):
        PostgresConfig.model_validate(whole)
