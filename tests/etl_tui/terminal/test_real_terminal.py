"""The real program in real terminals: what is in the database is on the screen, and whatever ends the program
gives the terminal back."""

from __future__ import annotations

import asyncio
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from etl_core.store.database import Connection
from tests.etl_tui.showroom import furnish
from tests.etl_tui.terminal.tmux import Tmux
from tests.support.jobs import eventually

pytestmark = pytest.mark.timeout(240)

MINE = "HUNTER22"
"""A password that no report may show."""
CRASH = f"""
import sys
from etl_tui.app.dashboard.screen import Dashboard
def fail(self): raise RuntimeError("cannot reach postgresql://etl:{MINE}@db/etl")
Dashboard.action_last = fail
from etl_tui.cli.main import main
sys.argv[0] = "etl-tui"
main()
"""


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    started = Tmux(tmp_path)
    try:
        yield started
    finally:
        started.end()


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


async def test_terminals_show_the_database_and_are_given_back(
    tmux: Tmux, database_url: str, db: Connection
) -> None:
    await furnish(db)
    plain = {"ETL_DATABASE_URL": database_url}
    many = tmux.open("256 colours", plain | {"TERM": "screen-256color"})
    few = tmux.open("16 colours", plain | {"TERM": "linux", "LANG": "C"})
    none = tmux.open("no colour", plain | {"TERM": "screen-256color", "NO_COLOR": "1"})
    shells = (many, few, none)
    many.start()
    few.start("--no-mouse")
    none.start("--read-only")
    jobs = await db.fetch(
        "SELECT t.name || '/' || j.job_name AS name, j.status, j.active"
        " FROM etl_jobs AS j INNER JOIN tenants AS t ON t.id = j.tenant_id"
    )
    for shell in shells:
        text = await shell.until(lambda text: text.count("\n") and "warehouse" in text, "the jobs")
        ascii_only = shell is few
        for job in jobs:
            name = job["name"].replace("日本語", "??????") if ascii_only else job["name"]
            (line,) = [line for line in text.splitlines() if name in line]
            assert job["status"] in line
            assert (" off " in line) is not job["active"]
        assert text.isascii() is ascii_only
        assert ("read-only" in text) is (shell is none)

    styles = {shell: set(re.findall(r"\x1b\[([\d;:]*)m", shell.colours())) for shell in shells}
    assert any("38;5;42" in style for style in styles[many])  # READY, of the table in 256
    assert not any("38;2" in style for style in styles[many])
    few_codes = {int(code) for style in styles[few] for code in style.split(";") if code}
    assert 32 in few_codes  # READY is green there
    assert few_codes <= {0, 1, 2, 7, 22, 27, 39, 49, *range(30, 38), *range(90, 98), *range(40, 48)}
    none_codes = {int(code) for style in styles[none] for code in style.split(";") if code}
    assert none_codes <= {0, 1, 2, 7, 22, 27, 39, 49}
    assert [shell.modes().split()[1] for shell in shells] == ["1", "0", "1"]

    tmux.run("set-option", "-s", "set-clipboard", "on")
    many.send("y")  # what a program copies by OSC 52 is in tmux's buffer
    await many.until(lambda text: "copied: 1 job" in text, "the copy")
    await eventually(lambda: asyncio.to_thread(tmux.buffer), "the copy to arrive")
    assert tmux.buffer() == "globex/airports"

    none.send("r")
    await none.until(lambda text: "read-only: started so" in text, "a key that changes to be refused")
    await db.execute("UPDATE etl_jobs SET status = 'FAILED', retry_count = 1 WHERE job_name = 'stripe'")
    for shell in shells:
        await shell.until(lambda text: re.search(r"FAILED +acme/stripe", text), "what changed")

    # Stopped without a chance to give the terminal back; then resized.
    program = many.program()
    program.suspend()
    await many.until(lambda text: "topped" in text, "the shell")
    many.go_on()
    tmux.run("resize-window", "-t", many.name, "-x", "80", "-y", "24")
    await many.until(lambda text: text.startswith(" ETL Jobs Dashboard"), "the dashboard again")
    many.send("G")
    await many.until(lambda text: re.search(r"^›.*warehouse|^›.*ledger", text, re.MULTILINE), "the last job")
    program.send_signal(signal.SIGTERM)
    await many.until_ended(0)

    few.send("C-z")
    await few.until(lambda text: "ETL Jobs Dashboard" not in text and "topped" in text, "the shell")
    few.go_on()
    await few.until(lambda text: text.startswith(" ETL Jobs Dashboard"), "the dashboard again")
    few.send("q")
    await few.until_ended(0)

    program = none.program()
    program.send_signal(signal.SIGHUP)
    await none.until_ended(0)

    # A crash: one line, a report for its owner alone, no password, and the shell is back.
    (script := Path(tmux.folder) / "crash.py").write_text(CRASH)
    many.send("clear", "Enter")
    many.start(python=str(script))
    await many.until(lambda text: "acme/stripe" in text, "the dashboard")
    many.send("G")
    await many.until_ended(1)
    shown = "".join(many.text().split("\n"))
    (report,) = Path(tmux.folder).glob("etl-tui/crash-*.txt")
    assert "etl-tui: unexpected RuntimeError" in shown
    assert report.name in shown
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    told = report.read_text()
    assert "in fail" in told
    assert MINE not in told + shown

    # A terminal that is closed while the program is in it.
    none.start()
    await none.until(lambda text: "acme/stripe" in text, "the dashboard")
    program = none.program()
    tmux.run("kill-session", "-t", none.name)
    await eventually(lambda: asyncio.to_thread(is_gone, program), "the program of a closed terminal to end")


def test_a_closed_stderr_is_told_by_the_exit_code() -> None:
    command = f"exec {sys.executable} -m etl_tui 2>&-"
    done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
