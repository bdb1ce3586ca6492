"""`python -m benchmarks.pipeline`: every figure in one run, ours and the peers' in turns."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from benchmarks.dispatch.report import Report
from benchmarks.dispatch.servers import Servers, private_servers
from benchmarks.pipeline import limit, ours, peers, profile
from benchmarks.pipeline.curve import DEFAULT_SIZES, HEADER, CurvePoint, curve
from benchmarks.pipeline.measure import Load
from benchmarks.pipeline.records import Phase, write_jsonl, write_singer
from etl_core.process import configure_logging
from etl_core.settings import Settings

PARTS = ("limit", "carried", "staged", "peers")
GOALS = ((limit.SYSTEM, "0.5, better 0.7"), ("dlt", "3"), ("target-postgres", "6"))
"""Ours as a multiple of theirs, in each phase."""


def main() -> None:
    """Measures what is asked for and prints the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="of each load (default: 100,000)")
    parser.add_argument("--peer-records", type=int, help="of each load of a peer (default: --records)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--without-peers", action="store_true")
    parser.add_argument("--profile", action="store_true", help="one more load of ours: where its time goes")
    parser.add_argument(
        "--table-curve",
        nargs="*",
        type=int,
        metavar="ROWS",
        help=f"merges into tables of these sizes too (default: {' '.join(map(str, DEFAULT_SIZES))})",
    )
    options = parser.parse_args()
    parts = [part for part in options.parts if not (options.without_peers and part == "peers")]
    if "peers" in parts:
        peers.install()
    configure_logging(Settings(log_level="warning"))
    report = Report()
    points: list[CurvePoint] = []
    with private_servers() as servers:
        files = _write_files(servers.folder, options.records)
        asyncio.run(_measure(servers, files, parts, options, report))
        if options.profile:
            asyncio.run(_profile(servers, files, options.records))
        if options.table_curve is not None:
            points = asyncio.run(curve(servers, options.table_curve or DEFAULT_SIZES))
    print()
    print(report.text(_comparisons()))
    for line in _beside_the_limit(report):
        print(line)
    if points:
        print(f"\n{HEADER}")
    for point in points:
        print(point.text())


def _write_files(folder: Path, number: int) -> dict[Phase, Path]:
    files = {phase: folder / f"{number}-{phase}.jsonl" for phase in Phase}
    for phase, path in files.items():
        write_jsonl(path, number, phase)
    return files


def _comparisons() -> list[tuple[str, str, str]]:
    systems = (ours.CARRIED, ours.STAGED)
    return [
        (f"{system}, {phase}", f"{over}, {phase}", goal)
        for system in systems
        for phase in Phase
        for over, goal in GOALS
    ]


def _beside_the_limit(report: Report) -> list[str]:
    """What is no goal but wanted: WAL and processor time as multiples of the limit's."""
    found = [
        (f"{system}, {phase}, {what}", f"{limit.SYSTEM}, {phase}, {what}")
        for system in (ours.CARRIED, ours.STAGED)
        for phase in (Phase.INSERT, Phase.UPDATE)
        for what in ("WAL", "processor")
    ]
    return [f"- {name}: {ratio}" for name, over in found if (ratio := report.ratio(name, over))]


async def _measure(
    servers: Servers, files: dict[Phase, Path], parts: list[str], options: argparse.Namespace, report: Report
) -> None:
    number, of_peers = options.records, options.peer_records or options.records
    peer_files = files if of_peers == number else _write_files(servers.folder, of_peers)
    singer_files: dict[Phase, Path] = {}
    if "peers" in parts:
        singer_files = {phase: servers.folder / f"{phase}.singer" for phase in Phase}
        for phase, path in singer_files.items():
            write_singer(path, of_peers, phase)
    if "staged" in parts and not ours.can_be_staged():
        print("workers know no --stages: a process per stage is not measured", flush=True)
        parts.remove("staged")
    for _ in range(options.rounds):
        if "limit" in parts:
            _add(report, await limit.load_directly(servers, files, number))
        for part, system in (("carried", ours.CARRIED), ("staged", ours.STAGED)):
            if part in parts:
                _add(report, await ours.load_through(system, servers, files, number))
        if "peers" in parts:
            for peer in peers.PEERS:
                _add(report, await peers.load_with(peer, servers, peer_files, singer_files, of_peers))


async def _profile(servers: Servers, files: dict[Phase, Path], number: int) -> None:
    samples = servers.folder / "samples"
    samples.mkdir()
    await ours.load_through(ours.CARRIED, servers, files, number, samples=samples)
    print(profile.text(samples, 3 * number))


def _add(report: Report, loads: list[Load]) -> None:
    for load in loads:
        report.add(f"{load.system}, {load.phase}", load.rate, "records/s")
        report.add(f"{load.system}, {load.phase}, processor", load.processor, "microseconds/record")
        report.add(f"{load.system}, {load.phase}, WAL", load.wal_per_row, "bytes/record")


if __name__ == "__main__":
    main()
