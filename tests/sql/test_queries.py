"""Every query of the program fits the newest schema, and says what it guarantees."""

from __future__ import annotations

import re
from importlib.resources import files

import asyncpg
import pytest

from etl_core.store.database import Connection
from etl_core.store.queries import PACKAGE, load, names
from tests.sql.schema import migrated

HEAD = re.compile(r"^-- name: *(?P<name>\w+)\((?P<parameters>[^)]*)\)(?P<kind>[\^$!]?) *$")

QUERIES = [(file, query) for file in names() for query in load(file).available_queries]


def test_there_are_queries() -> None:
    assert len(QUERIES) > 60
    assert {file for file, _ in QUERIES} == set(names())


async def test_every_query_fits_the_schema(admin_url: str) -> None:
    """PREPAREd on both servers: names, types and parameters are right, whether a test runs it or not."""
    async with migrated(admin_url) as conn:
        told = [await prepare(conn, file, query) for file, query in QUERIES]
    assert [problem for problem in told if problem] == []


async def prepare(conn: Connection, file: str, query: str) -> str | None:
    """What the server says against a query."""
    try:
        await conn.prepare(getattr(load(file), query).sql)
    except asyncpg.PostgresError as error:
        return f"{file}.{query}: {error}"
    return None


def source(file: str) -> list[str]:
    return files(PACKAGE).joinpath(f"{file}.sql").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("file", names())
def test_every_query_says_what_it_guarantees(file: str) -> None:
    lines = source(file)
    assert lines[0].startswith("-- "), f"{file}.sql does not say what it is about"
    heads = [number for number, line in enumerate(lines) if line.startswith("-- name:")]
    assert heads
    for number in heads:
        told = lines[number + 1]
        assert re.fullmatch(r"-- \S.{10,}", told), f"{file}.sql: {lines[number]} has no comment"


@pytest.mark.parametrize("file", names())
def test_a_query_names_the_parameters_that_it_uses(file: str) -> None:
    """A parameter that is used and not declared comes by chance, one declared and not used is a lie."""
    text = "\n".join(source(file))
    for block in re.split(r"(?m)^(?=-- name:)", text)[1:]:
        head, _, body = block.partition("\n")
        declared = HEAD.match(head)
        assert declared, head
        parameters = {name.strip() for name in declared["parameters"].split(",") if name.strip()}
        statement = "\n".join(line for line in body.splitlines() if not line.lstrip().startswith("--"))
        used = set(re.findall(r"(?<!:):([a-z_]\w*)", statement))
        assert used == parameters, f"{file}.{declared['name']}"


def test_no_query_has_a_name_that_another_file_has_for_something_else() -> None:
    """The same name in two files is the same statement, or one of them is misread some day."""
    statements: dict[str, set[str]] = {}
    for file, query in QUERIES:
        statements.setdefault(query, set()).add(" ".join(getattr(load(file), query).sql.split()))
    assert {name for name, texts in statements.items() if len(texts) > 1} == set()
