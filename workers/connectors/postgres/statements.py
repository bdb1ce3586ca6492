# ruff: noqa: S608 - identifiers are quoted, values are parameters
"""The SQL that reads tables known only at run time.

Values are parameters, given as text and cast to their column's type. The one piece of SQL that is a person's
own is the query of a configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from workers.connectors.postgres.checkpoint import Leg
from workers.connectors.postgres.sources import Cursor, Source
from workers.connectors.postgres.types import LEAST, Family

_CURSOR: Final = "etl_walk"
CLOSE: Final = f"CLOSE {_CURSOR}"
SNAPSHOT: Final = (
    "SELECT pg_snapshot_xmin(pg_current_snapshot())::text, pg_snapshot_xmax(pg_current_snapshot())::text"
)


@dataclass(frozen=True, slots=True)
class Statement:
    sql: str
    values: tuple[str | None, ...] = ()


class _Values:
    """Parameters, in the order in which a statement is written."""

    def __init__(self) -> None:
        self.given: list[str | None] = []

    def add(self, value: str | None, cast: str) -> str:
        self.given.append(value)
        return f"${len(self.given)}::text::{cast}"


def quote(identifier: str) -> str:
    """An identifier in double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def qualified(schema: str, name: str) -> str:
    return f"{quote(schema)}.{quote(name)}"


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def as_table(query: str) -> str:
    """A query where a table may stand; a comment at its end ends with its line."""
    return f"({query}\n)"


def shape(query: str) -> str:
    """What has the columns of a query."""
    return f"SELECT * FROM {as_table(query)} AS t"


def settings(*, statement_ms: int, lock_ms: int, idle_ms: int, notices_loss: bool) -> Statement:
    """For this transaction: limits, and how values are written. Plans that give rows soon are preferred."""
    wanted = {
        "statement_timeout": str(statement_ms),
        "lock_timeout": str(lock_ms),
        "idle_in_transaction_session_timeout": str(idle_ms),
        "cursor_tuple_fraction": "0.001",
        "timezone": "UTC",
        "datestyle": "ISO",
        "intervalstyle": "iso_8601",
        "bytea_output": "hex",
        "extra_float_digits": "1",
        **({"client_connection_check_interval": "2000"} if notices_loss else {}),
    }
    pairs = [part for pair in wanted.items() for part in pair]
    calls = [f"set_config(${n}, ${n + 1}, TRUE)" for n in range(1, len(pairs), 2)]
    return Statement(f"SELECT {', '.join(calls)}", tuple(pairs))


def declare(sql: str) -> str:
    return f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {sql}"


def fetch(rows: int) -> str:
    return f"FETCH FORWARD {rows:d} FROM {_CURSOR}"


def walk(
    source: Source,
    leg: Leg,
    after: Sequence[str | None] | None,
    since: Sequence[str] | None,
    until: Sequence[str | None] | None = None,
    *,
    below: str | None = None,
) -> Statement:
    """Rows of a leg, in its order, behind the row `after` up to `until`; of `rows` from `since` on.

    `below`: those alone whose first cursor is less.

    `since` of xmin is the bookmark and the number of transactions from it to the snapshot. A row is its
    columns (of `keys`: its key), and then its place as text.
    """
    values = _Values()
    place = order(source, leg)
    conditions = []
    if after is not None:
        conditions.append(_compared(place, ">", after, values))
    if until is not None:
        conditions.append(_compared(place, "<=", until, values))
    if leg == "rows":
        conditions += _is_new(source, since or (), values, has_place=after is not None)
    if below is not None:
        conditions.append(_compared(source.cursor[:1], "<", [below], values))
    if leg == "nulls":
        conditions.append(_any_null(source.cursor))
    if leg == "keyless":
        conditions.append(_any_null(source.key_columns))
    else:
        conditions += [f"t.{quote(c.name)} IS NOT NULL" for c in source.key_columns if c.is_nullable]
    columns = [c for c in source.columns if leg != "keys" or c.name in source.key]
    selected = [*(c.expression for c in columns), *(f"t.{quote(c.name)}::text" for c in place)]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    by = f" ORDER BY {', '.join(f't.{quote(c.name)}' for c in place)}" if place else ""
    sql = f"SELECT {', '.join(selected)} FROM {source.relation} AS t{where}{by}"
    return Statement(sql, tuple(values.given))


def bound(source: Source, after: Sequence[str | None] | None, rows: int) -> Statement:
    """The place, in the order of keys, of the row that is so many behind `after`."""
    values = _Values()
    conditions = [f"t.{quote(c.name)} IS NOT NULL" for c in source.key_columns if c.is_nullable]
    if after is not None:
        conditions.append(_compared(source.key_columns, ">", after, values))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    selected = ", ".join(f"t.{quote(c.name)}::text" for c in source.key_columns)
    by = ", ".join(f"t.{quote(c.name)}" for c in source.key_columns)
    offset = f"OFFSET {rows - 1:d} LIMIT 1"
    sql = f"SELECT {selected} FROM {source.relation} AS t{where} ORDER BY {by} {offset}"
    return Statement(sql, tuple(values.given))


def order(source: Source, leg: Leg) -> tuple[Cursor, ...]:
    """The columns by which a leg is walked."""
    if leg == "keyless":
        return ()
    return (*source.cursor, *source.key_columns) if leg == "rows" else source.key_columns


def mark(source: Source, since: Sequence[str] | None, zone: str) -> Statement:
    """The largest cursor there is, but for values that no clock or counter has come to yet.

    A row that is dated in the future, or infinite, is read in each run; were it the bookmark, what changes
    until then would be lost.
    """
    values = _Values()
    first = source.cursor[0]
    column = f"t.{quote(first.name)}"
    conditions = [f"t.{quote(c.name)} IS NOT NULL" for c in source.cursor]
    if since:
        conditions.append(_compared(source.cursor[: len(since)], ">=", since, values))
    match first.family:
        case Family.ZONED:
            conditions.append(f"{column} <= now()")
        case Family.TIME:
            conditions.append(f"{column} <= now() AT TIME ZONE {literal(zone)}")
        case Family.DATE:
            conditions.append(f"{column} <= (now() AT TIME ZONE {literal(zone)})::date")
        case Family.NUMBER:
            conditions.append(f"{column} < 'Infinity'::{first.cast}")
    selected = ", ".join(f"t.{quote(c.name)}::text" for c in source.cursor)
    by = ", ".join(f"t.{quote(c.name)} DESC" for c in source.cursor)
    where = " AND ".join(conditions)
    sql = f"SELECT {selected} FROM {source.relation} AS t WHERE {where} ORDER BY {by} LIMIT 1"
    return Statement(sql, tuple(values.given))


def before(cursor: Cursor, value: str, overlap: float) -> Statement:
    """`value` less the overlap, as text."""
    match cursor.family:
        case Family.INTEGER:
            least = LEAST[cursor.base]
            sql = f"greatest($1::text::numeric - trunc($2::text::numeric), {least})"
        case Family.NUMBER:
            sql = f"($1::text::numeric - $2::text::numeric)::{cursor.cast}"
        case Family.DATE:
            sql = "$1::text::date - ceil($2::text::numeric / 86400)::integer"
        case _:
            sql = f"$1::text::{cursor.cast} - make_interval(secs => $2::text::double precision)"
    return Statement(f"SELECT ({sql})::text", (value, repr(overlap)))


def _is_new(source: Source, since: Sequence[str], values: _Values, *, has_place: bool) -> list[str]:
    if source.by_xmin:
        bookmark, transactions = since
        # A row shows the lower 32 bits of its transaction, also once it is frozen. Counted from the bookmark
        # in the circle of 2^32, what was written since is nearer than the snapshot's end; what lies whole
        # circles back may look so, and is then read once more.
        began, span = values.add(bookmark, "bigint"), values.add(transactions, "bigint")
        return [f"((t.xmin::text::bigint - {began}) & 4294967295) < {span}"]
    conditions = [f"t.{quote(c.name)} IS NOT NULL" for c in source.cursor if c.is_nullable]
    if not has_place:
        conditions.append(_compared(source.cursor[: len(since)], ">=", since, values))
    return conditions


def _any_null(columns: Sequence[Cursor]) -> str:
    return "(" + " OR ".join(f"t.{quote(c.name)} IS NULL" for c in columns) + ")"


def _compared(columns: Sequence[Cursor], operator: str, with_: Sequence[str | None], values: _Values) -> str:
    """Compared as rows are: by the first column, where that is the same by the next."""
    left = ", ".join(f"t.{quote(c.name)}" for c in columns)
    right = ", ".join(values.add(value, c.cast) for c, value in zip(columns, with_, strict=True))
    return f"({left}) {operator} ({right})"
