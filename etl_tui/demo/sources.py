"""The demo's GitHub and Jira: simulators of their APIs, processes on this machine that end with us.

They are those of the tests. A wheel carries them as `etl_tui.demo.simulators`; in a checkout they are where
they are kept. They are started by name: what people are shown imports no tests.
"""

from __future__ import annotations

import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from etl_core.errors import EtlError, Unreachable

READY = "serving on "
PATIENCE = 60.0
"""Seconds in which they must be up."""
GITHUB_TOKEN = "ghp_demo"  # noqa: S105 - only the simulator knows it
JIRA_EMAIL, JIRA_TOKEN = "sync@example.com", "simulated-api-token"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the simulated APIs are."""

    github: str
    jira: str


@contextmanager
def simulated_sources(logs: Path, *, limit_seconds: float) -> Iterator[Sources]:
    """Serves both; their errors go to files below `logs`.

    Args:
        limit_seconds: that GitHub's rate limit takes to come to an end, which a first run meets on its way.

    Raises:
        Unreachable: the demo's extra is not installed. EtlError: one does not come up.
    """
    package = _package()
    logs.mkdir(parents=True, exist_ok=True)
    limit = ["--points", "5000", "--used", "4985", "--window", f"{limit_seconds:g}"]
    size = ["--repositories", "3", "--pull-requests", "12", "--issues", "12", "--token", GITHUB_TOKEN]
    started: list[subprocess.Popen[str]] = []
    try:
        for name, arguments in (
            ("github", [*size, *limit, "--changes", "0.2"]),
            ("jira", ["--projects", "3", "--issues", "300", "--lag", "0", "--changes", "0.2"]),
        ):
            with (logs / f"{name}.log").open("wb") as log:
                started.append(
                    subprocess.Popen(
                        # -P: a folder `tests` of wherever we are called from is not ours.
                        [sys.executable, "-P", "-m", f"{package}.{name}", "--with-parent", *arguments],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=log,
                        text=True,
                        start_new_session=True,  # Ctrl-C is for us; the end of the pipe tells them
                    )
                )
        github, jira = (_address(process, logs) for process in started)
        yield Sources(github, jira)
    finally:
        for process in started:
            process.kill()  # they keep nothing
            process.communicate()


def _package() -> str:
    """Raises Unreachable: they are not there, or what they need is not."""
    if find_spec("aiohttp") is None or find_spec("graphql") is None:
        raise Unreachable("the demo needs its extra: pip install 'etl-tui[demo]'")
    for package in ("etl_tui.demo.simulators", "tests.simulators"):
        try:
            found = find_spec(f"{package}.github.simulator")
        except ModuleNotFoundError:
            continue
        if found is not None:
            return package
    raise Unreachable("this installation has no simulators; install a wheel, or run it from a checkout")


def _address(process: subprocess.Popen[str], logs: Path) -> str:
    """What it says once it answers."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    deadline = time.monotonic() + PATIENCE
    while not select.select([process.stdout], [], [], 0.5)[0]:
        if time.monotonic() > deadline:
            break
    else:
        line = process.stdout.readline()
        if line.startswith(READY):
            return line.removeprefix(READY).strip()
    raise EtlError(f"a simulated source does not come up; see the logs in {logs}")
