"""`python -m benchmarks.tui`: what the dashboard costs with thousands of jobs, beside a bare Textual app."""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from pathlib import Path

from benchmarks.dispatch.report import Report
from benchmarks.memory.runs import private_postgres
from benchmarks.tui import measures
from benchmarks.tui.database import fill, stay_alive
from benchmarks.tui.measures import OURS, Environment, Figures
from benchmarks.tui.terminal import terminal
from etl_core.process import configure_logging
from etl_core.settings import Settings

PARTS = ("start", "keys", "sort", "idle", "changes", "questions")
GOALS = (
    ("first paint, ours, processor", "first paint, bare, processor", "1.5"),
    ("first paint, ours, wall", "first paint, bare, wall", "1.5"),
    ("first paint, ours, sent", "first paint, bare, sent", "6 KB"),
)


def main() -> None:
    """Measures what is asked for and prints the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tui", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--jobs", type=int, default=10_000, help="in the database (default: 10,000)")
    parser.add_argument("--size", default="80x24", help="of the terminal (default: 80x24)")
    parser.add_argument("--rounds", type=int, default=3, help="of the start (default: 3)")
    parser.add_argument("--seconds", type=float, default=30, help="of idle, changes, questions (default: 30)")
    parser.add_argument("--dashboards", type=int, default=50, help="that ask at once (default: 50)")
    options = parser.parse_args()
    configure_logging(Settings(log_level="warning"))
    report = Report()
    asyncio.run(_measure(options, report))
    print()
    print(report.text(list(GOALS)))


async def _measure(options: argparse.Namespace, report: Report) -> None:
    columns, lines = (int(number) for number in options.size.split("x"))
    with private_postgres() as servers, tempfile.TemporaryDirectory() as state:
        await servers.make_database("tui", migrated=True)
        async with servers.connection("tui") as conn:
            await fill(conn, options.jobs)
            await stay_alive(conn)
        url = servers.postgres.url("tui")
        environment = _environment(url, Path(state))
        if "start" in options.parts:
            await measures.start(environment, (columns, lines))  # which compiles
            for _ in range(options.rounds):
                _add(report, await measures.start(environment, (columns, lines)))
        if set(options.parts) & {"keys", "sort", "idle", "changes"}:
            async with terminal(OURS, environment, columns=columns, lines=lines) as shown:
                await measures.ready(shown)
                if "keys" in options.parts:
                    _add(report, await measures.keys(shown))
                if "sort" in options.parts:
                    _add(report, await measures.filter_and_sort(shown))
                if "idle" in options.parts:
                    _add(report, await measures.idle(shown, options.seconds))
                if "changes" in options.parts:
                    _add(report, await measures.changes(shown, url, options.seconds))
                report.add("memory at the end", shown.resident() / 1e6, "MB")
        if "questions" in options.parts:
            _add(report, await measures.questions(url, options.dashboards, options.seconds))


def _add(report: Report, figures: Figures) -> None:
    for name, (value, unit) in figures.items():
        report.add(name, value, unit)


def _environment(url: str, state: Path) -> Environment:
    """A terminal as most people have over SSH: 256 colours, UTF-8; compiled modules, as installed."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ETL_") and name not in ("COLORTERM", "NO_COLOR", "PYTHONDONTWRITEBYTECODE")
    }
    told = {
        "ETL_DATABASE_URL": url,
        "XDG_STATE_HOME": str(state),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "PYTHONPYCACHEPREFIX": str(state / "compiled"),
    }
    return inherited | told


if __name__ == "__main__":
    main()
