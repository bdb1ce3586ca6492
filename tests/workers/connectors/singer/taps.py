"""Taps to run: the one of tests/simulators, and real ones from PyPI in venvs that are kept in .cache."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from etl_core import taps
from etl_core.control import tap_install
from etl_core.control.tap_install import install_tap
from etl_core.taps import InstalledTap, find_tap
from etl_core.testing.destination import Destination
from etl_core.testing.walking import run
from workers.connectors.singer import SingerConnector
from workers.connectors.singer.config import SingerConfig

ROOT = Path(__file__).parents[4]
KEPT = ROOT / ".cache" / "taps"
SIMULATED = ROOT / "tests" / "simulators" / "singer" / "tap.py"


def put_tap(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The simulated tap as a program that the worker allows."""
    program = folder / "tap-simulated"
    program.write_text(SIMULATED.read_text().replace("{python}", sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("ETL_ALLOW_COMMANDS", str(program))
    return program


async def carry_out(config: dict[str, Any], into: Destination | None = None) -> Destination:
    """A run into a destination in memory."""
    into = into or Destination()
    await run(SingerConnector(SingerConfig.model_validate(config)), into)
    return into


def use_kept_taps(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process finds the taps of `.cache`, and its worker allows them."""
    for module in (taps, tap_install):
        monkeypatch.setattr(module, "taps_dir", lambda: KEPT)
    monkeypatch.setenv("ETL_ALLOW_COMMANDS", "taps")


async def kept_tap(name: str, version: str) -> InstalledTap:
    """A real tap, installed by our own command once for all runs of the tests; `use_kept_taps` first."""
    with _alone():
        tap = find_tap(name)
        if tap is None or tap.version != version or not tap.program.exists():
            tap = await install_tap(f"{name}=={version}")
    return tap


@contextmanager
def _alone() -> Iterator[None]:
    """Among the processes of pytest-xdist."""
    KEPT.mkdir(parents=True, exist_ok=True)
    lock = os.open(KEPT / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
