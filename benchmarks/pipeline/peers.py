"""dlt and Meltano's target-postgres: each in a venv of its own, with the same records, on the same server.

Each is measured as it comes, and with what its documentation names as faster.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from benchmarks.dispatch.servers import CHECKOUT, Servers
from benchmarks.pipeline.measure import Load, expect_loaded, measured
from benchmarks.pipeline.processor_time import meter
from benchmarks.pipeline.records import KEY, SCHEMA_MESSAGE, STREAM, Phase

VENVS: Final = CHECKOUT / ".cache" / "benchmarks"
_DLT_PROGRAM: Final = Path(__file__).with_name("dlt_program.py")
_TARGET_PROGRAM: Final = "from target_postgres.target import TargetPostgres as Target; Target.cli()"
_STARTS: Final = 2
"""Of target-postgres with nothing to load, to know what its start takes; the shorter counts."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A system of others, and how it is set."""

    name: str
    requirement: str
    config: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def program(self) -> str:
        """The name of its database and of its venv."""
        return "dlt" if self.requirement.startswith("dlt") else "target-postgres"

    @property
    def python(self) -> Path:
        return VENVS / self.program / "bin" / "python"


_DLT: Final = "dlt[postgres]==1.31.*"
_TARGET: Final = "meltanolabs-target-postgres==0.8.1"
DLT: Final = Peer("dlt", _DLT, {"file_format": "insert_values", "strategy": "delete-insert"})
DLT_TUNED: Final = Peer(
    "dlt, tuned",
    _DLT,
    {"file_format": "csv", "strategy": "upsert"},
    {"NORMALIZE__WORKERS": "2", "DATA_WRITER__FILE_MAX_ITEMS": "15000"},
)
"""COPY of csv, upsert, and its slowest step in two processes, which needs files of fewer records."""
TARGET: Final = Peer("target-postgres", _TARGET, {})
TARGET_TUNED: Final = Peer("target-postgres, tuned", _TARGET, {"use_copy": True, "validate_records": False})
PEERS: Final = (DLT, DLT_TUNED, TARGET, TARGET_TUNED)


def install(wanted: Sequence[Peer] | None = None) -> None:
    """Makes the venvs that are not there yet, in .cache/benchmarks, some 300 MB, from PyPI."""
    for peer in wanted or (DLT, TARGET):
        folder = VENVS / peer.program
        done = folder / "installed"
        if done.exists() and done.read_text() == peer.requirement:
            continue
        print(f"installing {peer.requirement}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [str(peer.python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, peer.requirement], check=True)
        done.write_text(peer.requirement)


async def load_with(
    peer: Peer, servers: Servers, files: Mapping[Phase, Path], singer_files: Mapping[Phase, Path], number: int
) -> list[Load]:
    """The three phases into a database of its own; start and imports of its process do not count."""
    database = peer.program
    await servers.make_database(database, migrated=False)
    folder = servers.folder / database
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    url = servers.postgres.url(database)
    read_used = meter(servers.postgres.folder)
    loads = []
    async with servers.connection(database) as conn:
        for phase in files:
            async with measured(conn, peer.name, phase, number, read_used) as load:
                if peer.program == "dlt":
                    load.seconds = await _time_dlt(peer, folder, url, files[phase])
                else:
                    load.seconds = await _time_target(peer, folder, url, singer_files[phase])
            if peer.program != "dlt":
                start = folder / "nothing"
                start.write_text(json.dumps(SCHEMA_MESSAGE) + "\n")
                load.seconds -= min([await _time_target(peer, folder, url, start) for _ in range(_STARTS)])
            await expect_loaded(conn, f"{STREAM}.{STREAM}", number, phase=phase)
            loads.append(load)
    return loads


async def _time_dlt(peer: Peer, folder: Path, url: str, file: Path) -> float:
    """Seconds of `pipeline.run`, by its own process."""
    told = {
        "url": over_the_socket(url),
        "file": str(file),
        "dataset": STREAM,
        "stream": STREAM,
        "key": KEY,
        "folder": str(folder),
        **peer.config,
    }
    environment = {"BENCH_DLT": json.dumps(told), "RUNTIME__DLTHUB_TELEMETRY": "false", **peer.environment}
    said, _ = await run_program(peer, [str(_DLT_PROGRAM)], folder, environment)
    return float(said.split()[-1])


async def _time_target(peer: Peer, folder: Path, url: str, messages: Path) -> float:
    """Seconds of its process, start and end included."""
    config = folder / "config.json"
    told = {
        "sqlalchemy_url": url.replace("postgresql://", "postgresql+psycopg://"),
        "default_target_schema": STREAM,
        "load_method": "upsert",
        **peer.config,
    }
    config.write_text(json.dumps(told))
    _, seconds = await run_program(
        peer, ["-c", _TARGET_PROGRAM, "--config", str(config)], folder, {}, messages
    )
    return seconds


def over_the_socket(url: str) -> str:
    """The URL as dlt wants it: the host is the folder of the socket, and there is a password."""
    found = re.fullmatch(r"postgresql://(\w+)@/(.*)\?host=(.*)&port=(\d+)", url)
    if found is None:
        raise RuntimeError(f"{url} is no URL of an embedded server")
    user, database, host, port = found.groups()
    return f"postgresql://{user}:none@{quote(host, safe='')}:{port}/{database}"


async def run_program(
    peer: Peer,
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    stdin: Path = Path(os.devnull),
) -> tuple[str, float]:
    """What the program says, and its seconds."""
    log = folder / "log"
    with stdin.open("rb") as source, log.open("wb") as said:
        begun = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            peer.python,
            *arguments,
            cwd=folder,
            env=os.environ | dict(environment),
            stdin=source,
            stdout=asyncio.subprocess.PIPE,
            stderr=said,
        )
        out, _ = await process.communicate()
        seconds = time.perf_counter() - begun
    if process.returncode:
        raise RuntimeError(f"{peer.name} failed:\n{log.read_text(errors='replace')[-3000:]}")
    return out.decode(), seconds
