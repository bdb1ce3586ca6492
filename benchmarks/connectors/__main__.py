"""`python -m benchmarks.connectors`: a REST manifest beside dlt's `rest_api`, and the GitHub connector."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from benchmarks.connectors import ours
from benchmarks.connectors.api import PHASES
from benchmarks.dispatch.report import Report
from benchmarks.dispatch.servers import CHECKOUT, Servers, private_servers
from benchmarks.one_run import make_job
from benchmarks.pipeline import peers
from benchmarks.pipeline.measure import expect_loaded
from benchmarks.pipeline.records import KEY, STREAM, Phase
from etl_core.store.database import Connection
from tests.simulators.github import GitHubSimulator, Size, make_world
from tests.simulators.github.access import TOKEN
from tests.simulators.serve import serving_in_thread

MANIFEST: Final = """\
version: 1
title: Benchmark
variables: {url: {description: "the server"}, phase: {description: "which records"}}
base_url: "{{ variables.url }}"
pagination: {type: next_url, url: next}
streams:
  issues:
    path: "/{{ variables.phase }}/issues"
    records: data
    key: [id]
"""
REST: Final = "etl-tui, a manifest"
GITHUB: Final = "etl-tui, github"
SYSTEMS: Final = (peers.DLT, peers.DLT_TUNED)
RUNS: Final = "workflow runs"
_WITH_RUNS: Final = Size(30, 0, 0, 1, 0, 0, 900, 0)
"""GitHub lists no more than 1,000 runs for a question; dlt asks but one."""
_GITHUB_TOKEN: Final = "BENCH_GITHUB_TOKEN"
_PROGRAM: Final = Path(__file__).with_name("dlt_program.py")


def main() -> None:
    """Measures in turns and prints the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.connectors", description=__doc__)
    parser.add_argument("--records", type=int, default=20_000, help="of the REST API (default: 20,000)")
    parser.add_argument("--page", type=int, default=100, help="records of its pages (default: 100)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-peers", action="store_true")
    parser.add_argument("--without-github", action="store_true")
    options = parser.parse_args()
    if not options.without_peers:
        peers.install([peers.DLT])
    report = Report()
    with private_servers() as servers, _api(options.records, options.page) as url:
        asyncio.run(_measure(servers, url, options, report))
    print()
    print(
        report.text(
            [
                (f"{REST}, {phase}", f"{peer.name} rest_api, {phase}", "2")
                for phase in PHASES
                for peer in SYSTEMS
            ]
            + [(f"{GITHUB}, {RUNS}", f"{peer.name} rest_api, {RUNS}", "2") for peer in SYSTEMS]
        )
    )


@contextmanager
def _api(number: int, page: int) -> Iterator[str]:
    arguments = ["--records", str(number), "--page", str(page)]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.connectors.api", *arguments],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)


async def _measure(servers: Servers, url: str, options: argparse.Namespace, report: Report) -> None:
    for _ in range(options.rounds):
        await _manifest(servers, url, options.records, report)
        if not options.without_peers:
            for peer in SYSTEMS:
                await _dlt(peer, servers, url, options.records, report)
        if not options.without_github:
            await _github(servers, report)
            await _workflow_runs(servers, () if options.without_peers else SYSTEMS, report)


async def _manifest(servers: Servers, url: str, number: int, report: Report) -> None:
    path = servers.folder / "benchmark.yaml"
    path.write_text(MANIFEST)

    def config(phase: Phase) -> dict[str, object]:
        return {"manifest": str(path), "variables": {"url": url, "phase": phase.value}}

    async with ours.running(servers, {}) as conn:
        job = await make_job(conn, "rest", "rest", config(PHASES[0]))
        for phase in PHASES:
            await ours.set_config(conn, "rest", config(phase))
            ran = await ours.run(conn, job)
            schema = await conn.fetchval(
                "SELECT schema_name FROM destination_tables WHERE job_id = $1 AND stream = $2", job, STREAM
            )
            await expect_loaded(conn, f'"{schema}".{STREAM}', number, phase=phase)
            report.add(f"{REST}, {phase}", number / ran.seconds, "records/s")


async def _dlt(peer: peers.Peer, servers: Servers, api: str, number: int, report: Report) -> None:
    """The seconds of `pipeline.run` by its own process: its start does not count."""
    async with _dlt_database(servers) as conn:
        for phase in PHASES:
            seconds = await _run_dlt(
                peer,
                servers,
                api=api,
                paths=[f"{phase}/issues"],
                paginator={"type": "json_link", "next_url_path": "next"},
                selector="data",
                json_columns=["labels", "reactions"],
            )
            await expect_loaded(conn, f"{STREAM}.{STREAM}", number, phase=phase)
            report.add(f"{peer.name} rest_api, {phase}", number / seconds, "records/s")


@asynccontextmanager
async def _dlt_database(servers: Servers) -> AsyncIterator[Connection]:
    await servers.make_database("dlt", migrated=False)
    shutil.rmtree(servers.folder / "dlt", ignore_errors=True)
    async with servers.connection("dlt") as conn:
        yield conn


async def _run_dlt(
    peer: peers.Peer, servers: Servers, *, token: str | None = None, params: object = None, **told: object
) -> float:
    folder = servers.folder / "dlt"
    folder.mkdir(exist_ok=True)
    program = {
        "url": peers.over_the_socket(servers.postgres.url("dlt")),
        "dataset": STREAM,
        "stream": STREAM,
        "key": KEY,
        "folder": str(folder),
        "token": token,
        "params": params or {},
        **told,
        **peer.config,
    }
    environment = {
        "BENCH_DLT": json.dumps(program),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        **peer.environment,
    }
    said, _ = await peers.run_program(peer, [str(_PROGRAM)], folder, environment)
    return float(said.split()[-1])


@contextmanager
def _github_api(size: Size) -> Iterator[str]:
    """The simulated API without faults, and with a budget that nobody meets."""
    simulator = GitHubSimulator(make_world(1, size))
    for credential in simulator.access.credentials.values():
        credential.limits.graphql.capacity = credential.limits.core.capacity = 1_000_000
    with serving_in_thread(simulator.application) as url:
        simulator.url = url
        yield url


async def _run_github(servers: Servers, url: str, streams: Sequence[str]) -> ours.Ran:
    config = {"api_url": url, "token": f"env:{_GITHUB_TOKEN}", "owners": ["octo"]}
    if streams:
        config["streams"] = list(streams)
    async with ours.running(servers, {_GITHUB_TOKEN: TOKEN}) as conn:
        return await ours.run(conn, await make_job(conn, "github", "github", config))


async def _github(servers: Servers, report: Report) -> None:
    """All streams of a small organisation: the simulator's GraphQL engine is what it waits for most."""
    with _github_api(Size()) as url:
        ran = await _run_github(servers, url, [])
    report.add(f"{GITHUB}, all streams", ran.rows / ran.seconds, "records/s")


async def _workflow_runs(servers: Servers, systems: Sequence[peers.Peer], report: Report) -> None:
    """What we read over GitHub's REST API as dlt does, page by page of 100."""
    with _github_api(_WITH_RUNS) as url:
        ran = await _run_github(servers, url, ["workflow_runs"])
        number = _WITH_RUNS.repositories * _WITH_RUNS.workflow_runs
        if ran.rows != number:
            raise RuntimeError(f"{ran.rows} workflow runs are in the table, expected {number}")
        report.add(f"{GITHUB}, {RUNS}", number / ran.seconds, "records/s")
        for peer in systems:
            async with _dlt_database(servers) as conn:
                seconds = await _run_dlt(
                    peer,
                    servers,
                    api=url,
                    token=TOKEN,
                    paths=[f"repos/{name}/actions/runs" for name in _names(_WITH_RUNS)],
                    paginator={"type": "page_number", "base_page": 1, "total_path": None},
                    params={"per_page": 100},
                    selector="workflow_runs",
                    json_columns=["actor", "triggering_actor"],
                )
                found = await conn.fetchval(f"SELECT count(*) FROM {STREAM}.{STREAM}")
                if found != number:
                    raise RuntimeError(f"dlt has {found} workflow runs, expected {number}")
            report.add(f"{peer.name} rest_api, {RUNS}", number / seconds, "records/s")


def _names(size: Size) -> list[str]:
    return [repo["nameWithOwner"] for repo in make_world(1, size).repositories.values()]


if __name__ == "__main__":
    main()
