"""Every type, read and loaded by a real worker, is what it was."""

from __future__ import annotations

from tests.support.jobs import make_job
from tests.workers.running import Hand

SCHEMA = """
CREATE SCHEMA far;
CREATE TYPE far.mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE far.spot AS (x int, label text);
CREATE DOMAIN far.amount AS numeric(20, 3) CHECK (value > 0);
CREATE DOMAIN far.small_amount AS far.amount;
CREATE EXTENSION hstore SCHEMA far;
CREATE TABLE far.things (
    mood far.mood, at timestamptz, PRIMARY KEY (mood, at),
    i2 int2, i8 int8, n numeric, n_scaled numeric(30, 5), f4 float4, f8 float8, m money, b bool, d date,
    ts timestamp, ti time, tz timetz, iv interval, u uuid, raw bytea, t text, v varchar(9), c char(6),
    j json, jb jsonb, ints int[], deep numeric[], times timestamptz[], r int8range, mr nummultirange,
    spot far.spot, amount far.small_amount, moods far.mood[], net inet, bits bit(5), vb varbit,
    pt point, ts_v tsvector, h far.hstore, kept_as_text jsonb
);
INSERT INTO far.things VALUES (
    'happy', '2024-02-29 12:00:00.123456+02', -32768, 9223372036854775807, 'NaN', 1.50, 0.1, 1e-300,
    '$1,234.50', TRUE, '2024-02-29', '2024-02-29 12:00:00.000001', '23:59:59.5', '12:00+05:30',
    '-1 year 2 mons -3 days 04:05:06.7', 'ABCDEF00-0000-0000-0000-00000000000a', '\\x00ff10', 'ü\\ "''', 'v',
    'c', '{"b": 1, "a": [1.10, null]}', '{"n": 12345678901234567890.123456789, "u": "\\u00e9"}',
    '{1,NULL,3}', '{{1.10,NaN},{2,3}}', '{infinity}', '[1,9223372036854775807)', '{[1.5,2),(3,]}',
    ROW (1, 'a,b'), 12345678901234567.125, '{sad,ok}', '192.168.0.1/24', B'10101', B'1',
    '(1.5,-2)', 'a:1 b:2', 'k=>v,z=>NULL', '{"a": 1}'
);
INSERT INTO far.things VALUES ('sad', '-infinity'), ('sad', 'infinity'), ('sad', '0044-03-15 00:00:00+00 BC'),
('ok', '12024-01-01 00:00:00+00');
UPDATE far.things SET n = 'Infinity', f4 = 'NaN', f8 = '-Infinity', d = 'infinity', ts = '-infinity'
WHERE mood = 'ok';
UPDATE far.things SET n = repeat('9', 200)::numeric, d = '0044-03-15 BC', f8 = -0.1 WHERE at = 'infinity';
"""
AS_TEXT = ["mood", "ti", "tz", "iv", "raw", "t", "v", "r", "mr", "net", "bits", "vb", "pt", "ts_v"]
AS_JSON = ["ints", "deep", "times", "spot", "moods", "h"]
AS_THEY_ARE = ["at", "i2", "i8", "n", "n_scaled", "d", "b", "u", "j", "jb", "amount"]


async def test_every_type_arrives_as_it_was(worker: Hand, database_url: str) -> None:
    await worker.db.execute(SCHEMA)
    config = {"url": database_url, "tables": [{"table": "far.*", "as_text": ["kept_as_text"]}]}
    job = await make_job(worker.db, integration="there", kind="postgres", config=config)
    run = await worker.run(job)
    assert (run["state"], run["error_message"]) == ("SUCCEEDED", None)
    assert await worker.db.fetchval("SELECT count(*) FROM rejected_records") == 0
    await worker.db.execute("SET intervalstyle = iso_8601")
    tests = {
        **{name: f"d.{name} = s.{name}::text" for name in AS_TEXT},
        **{name: f"d.{name} = to_jsonb(s.{name})" for name in AS_JSON},
        **{name: f"d.{name}::text = s.{name}::text" for name in AS_THEY_ARE},
        "c": "d.c = rpad('c', 6)",
        "kept_as_text": "d.kept_as_text = s.kept_as_text::text",
        "f4": "d.f4::text = s.f4::text",
        "f8": "d.f8::float8::text = s.f8::text",
        "m": "d.m = s.m::numeric",
        "j": "d.j::text = s.j::jsonb::text",
        "ts": "d.ts = s.ts AT TIME ZONE 'UTC'",
    }
    shown = ", ".join(
        f"({test}) IS NOT FALSE AND (d.{n} IS NULL) = (s.{n} IS NULL) AS {n}" for n, test in tests.items()
    )
    rows = await worker.db.fetch(
        f"SELECT {shown} FROM far.things AS s"
        " LEFT JOIN acme_there.far_things AS d ON d.mood = s.mood::text AND d.at = s.at"
    )
    assert len(rows) == 5
    assert [name for row in rows for name, holds in row.items() if not holds] == []
    digits = await worker.db.fetchval("SELECT jb::text FROM acme_there.far_things WHERE mood = 'happy'")
    assert digits == '{"n": 12345678901234567890.123456789, "u": "é"}'
    attributes = await worker.db.fetch(
        "SELECT attname::text, format_type(atttypid, NULL) AS type FROM pg_attribute"
        " WHERE attrelid = 'acme_there.far_things'::regclass"
    )
    types = {row["attname"]: row["type"] for row in attributes}
    assert types["n"] == types["amount"] == types["f4"] == types["m"] == "numeric"
    assert (types["ts"], types["d"], types["u"]) == ("timestamp with time zone", "date", "uuid")
    assert (types["deep"], types["j"], types["i2"], types["b"]) == ("jsonb", "jsonb", "bigint", "boolean")
    again = await worker.run(job)
    assert again["state"] == "SUCCEEDED"
    changed = "SELECT sum((counts->>'rows_changed')::int) FROM run_batches WHERE run_id = $1"
    assert await worker.db.fetchval(changed, again["id"]) == 0


async def test_a_census_marks_what_is_gone_and_makes_no_row_of_a_key(worker: Hand, database_url: str) -> None:
    """Row 3 was written below the bookmark: its key is met by the census, and it is not read."""
    await worker.db.execute(
        "CREATE SCHEMA far; CREATE TABLE far.t (id int PRIMARY KEY, n int NOT NULL, a text);"
        "INSERT INTO far.t VALUES (1, 10, 'x'), (2, 10, 'x'), (4, 10, 'x')"
    )
    table = {"table": "far.t", "cursor": "n", "overlap": 0, "census_every": 2}
    config = {"url": database_url, "tables": [table]}
    job = await make_job(worker.db, integration="there", kind="postgres", config=config)
    await worker.run(job)
    await worker.db.execute(
        "DELETE FROM far.t WHERE id = 2; INSERT INTO far.t VALUES (3, 1, 'low'), (5, 11, 'x')"
    )
    gone = "SELECT array_agg(id ORDER BY id) FROM acme_there.far_t WHERE _deleted_at IS {} NULL"
    for is_census in (False, True):
        run = await worker.run(job)
        assert (run["state"], run["error_message"]) == ("SUCCEEDED", None)
        assert await worker.db.fetchval(gone.format("NOT")) == ([2] if is_census else None)
    assert await worker.db.fetchval(gone.format("")) == [1, 4, 5]
