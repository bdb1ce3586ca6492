"""`runs log`: what a run told, in order."""

from __future__ import annotations

from tests.etl_tui.cli.conftest import Cli, Sql


def test_the_lines_of_a_run(acme: Cli, sql: Sql) -> None:
    assert acme("jobs", "run", "acme/orders").code == 0
    run = str(sql("SELECT max(id) FROM job_runs"))
    assert acme("runs", "log", run).err == "it told nothing\n"
    sql(
        "INSERT INTO run_logs (run_id, level, message) SELECT $1::text::bigint, level, message FROM (VALUES"
        " ('info', 'first'), ('error', E'red \\x1b[31m')) AS l (level, message)",
        run,
    )
    told = acme("runs", "log", run)
    assert [line.partition("  ")[2] for line in told.out.splitlines()] == ["first", "error: red ?[31m"]
    lines = acme("runs", "log", run, "--json").document
    assert [(line["level"], line["message"]) for line in lines] == [
        ("info", "first"),
        ("error", "red \x1b[31m"),
    ]
    assert acme("runs", "log", run, "--level", "warning").out == told.out.splitlines(True)[1]
    assert acme("runs", "log", run, "--grep", "FIRST").out == told.out.splitlines(True)[0]
    assert acme("runs", "log", run, "--tail", "1").out == told.out.splitlines(True)[1]
    assert acme("runs", "log", run, "--grep", "zzz").err == "no line matches\n"
    sql("UPDATE job_runs SET state = 'CANCELLED', finished_at = now() WHERE id = $1::text::bigint", run)
    assert acme("runs", "log", run, "--follow").out == told.out
    acme("runs", "log", run, "--follow", "--json").refused(2, "--follow")
    acme("runs", "log", "0").refused(3, "no run 0")
    acme("runs", "log", "x").refused(3, "no run x")
