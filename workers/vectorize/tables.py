"""Sees to it that a destination table has a table of vectors beside it; DDL has a transaction of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import asyncpg

from etl_core.control.audit import Actor, record_event
from etl_core.control.pgvector import ensure_pgvector
from etl_core.errors import EtlError, Permanent
from etl_core.store.database import Connection
from etl_core.store.queries import load
from workers.loader.naming import with_hash
from workers.vectorize import statements
from workers.vectorize.table import OWN_COLUMNS, VectorTable, chosen_texts, key_columns

ACTOR: Final = Actor("etl-worker")

_loader = load("loader")
_vectors = load("vectors")


async def ensure_vectors(conn: Connection, row: Mapping[str, Any]) -> VectorTable:
    """The table of vectors for a row of `vectorized_tables`, made where there is none that fits.

    One of ours whose key is no longer the destination table's is made anew: all is embedded again.

    Raises:
        Permanent: pgvector is missing, a chosen column is, or a name is taken; with what to do.
    """
    try:
        place = await ensure_pgvector(conn)
    except EtlError as error:
        raise Permanent(str(error)) from error
    shape = await _vectors.relation_shape(
        conn, schema_name=row["schema_name"], relation_name=row["table_name"]
    )
    if shape is None:
        raise Permanent(f"table {row['schema_name']}.{row['table_name']} is gone; its job makes it again")
    table = VectorTable(
        schema=row["schema_name"],
        table=row["table_name"],
        vectors=row["vectors_name"] or statements.vectors_name(row["table_name"]),
        key=key_columns(row, shape["columns"]),
        texts=chosen_texts(row, shape["columns"]),
        max_chars=row["max_chars"],
        place=place,
    )
    if row["vectors_name"] is not None and await _fits(conn, table):
        return table
    try:
        async with conn.transaction():
            await _loader.bound_lock_wait(conn)
            await _loader.lock_destination(conn, schema_name=table.schema)
            return await _make(conn, table, row["job_id"])
    except asyncpg.InsufficientPrivilegeError as error:
        raise Permanent(f"{table}: the table of its vectors cannot be made: {error}; grant it") from error


async def _fits(conn: Connection, table: VectorTable) -> bool:
    """Whether the relation of that name is a table of vectors with this key."""
    shape = await _vectors.relation_shape(conn, schema_name=table.schema, relation_name=table.vectors)
    if shape is None or not shape["is_table"]:
        return False
    columns = shape["columns"]
    return (
        list(shape["primary_key"]) == [column.name for column in table.key]
        and all(columns.get(column.name) == column.type for column in table.key)
        and all(name in columns for name in OWN_COLUMNS)
    )


async def _make(conn: Connection, table: VectorTable, job_id: int) -> VectorTable:
    table = await _with_free_name(conn, table)
    anew = not await _fits(conn, table)
    if anew:
        told = await _vectors.vectors_comment(conn, schema_name=table.schema, vectors_name=table.vectors)
        ddl = [statements.drop_vectors(table)] if told else []
        for statement in (*ddl, statements.create_vectors(table), statements.comment_on(table)):
            await conn.execute(statement)
            await record_event(conn, "ddl", ACTOR, job_id=job_id, statement=statement)
    await _vectors.register_vectors(
        conn,
        schema_name=table.schema,
        table_name=table.table,
        vectors_name=table.vectors,
        key=[column.name for column in table.key],
        anew=anew,
    )
    return table


async def _with_free_name(conn: Connection, table: VectorTable) -> VectorTable:
    """With the plain name, unless a stream (`issues_vectors` beside `issues`) or a person has that."""
    for name in (table.vectors, with_hash(table.vectors, f"{table.table} vectors")):
        told = await _vectors.vectors_comment(conn, schema_name=table.schema, vectors_name=name)
        if told is None or told["told"] == statements.comment(table):
            return replace(table, vectors=name)
    raise Permanent(f"{table}: {name} is there already and is no table of its vectors: rename or drop it")
