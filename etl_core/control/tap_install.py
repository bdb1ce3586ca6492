"""Installs a Singer tap from PyPI into a venv of its own, for the pins of taps conflict with each other."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl_core.errors import EtlError, InvalidInput
from etl_core.taps import RECORD, InstalledTap, taps_dir

PATIENCE = 900.0
"""Seconds that an installation may take."""
_REQUIREMENT = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(\[[A-Za-z0-9,._ -]+\])?"
    r"([=<>!~]=?=?[A-Za-z0-9.*,=<>!~+-]+)?"
)
_TELL = """
import json, sys
from importlib.metadata import distribution
found = distribution(sys.argv[1])
told = found.metadata
print(json.dumps({
    "version": found.version,
    "expression": told["License-Expression"],
    "text": told["License"],
    "classifiers": [line for line in told.get_all("Classifier") or [] if line.startswith("License ::")],
    "summary": told["Summary"],
    "programs": [point.name for point in found.entry_points if point.group == "console_scripts"],
}))
"""


class InstallFailed(EtlError):
    """What pip or uv said last."""


async def install_tap(requirement: str) -> InstalledTap:
    """Installs `tap-NAME`, or `tap-NAME==1.2`, anew; one that is there is replaced when the new one works.

    Raises:
        InvalidInput: no requirement of one package. InstallFailed: it cannot be installed, or is no tap.
    """
    matched = _REQUIREMENT.fullmatch(requirement)
    if matched is None:
        raise InvalidInput(f"{requirement!r}: give a package of PyPI, such as tap-spreadsheets or tap-x==1.2")
    name = re.sub(r"[-_.]+", "-", matched[1]).lower()
    folder = taps_dir() / name
    before, venv = _make_room(folder)
    try:
        await _make(venv, requirement)
        tap = await _describe(name, venv)
    except BaseException:
        shutil.rmtree(venv, ignore_errors=True)
        if not before:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    _put_in_place(folder, tap, before)
    return tap


def _make_room(folder: Path) -> tuple[list[Path], Path]:
    """The venvs that are there, and a folder for the new one."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    before = [path for path in folder.iterdir() if path.is_dir()]
    venv = Path(tempfile.mkdtemp(prefix="venv-", dir=folder))
    venv.chmod(0o755)
    return before, venv


def _put_in_place(folder: Path, tap: InstalledTap, before: list[Path]) -> None:
    record = folder / f"{RECORD}.new"
    record.write_text(tap.model_dump_json(indent=2) + "\n", encoding="utf-8")
    record.rename(folder / RECORD)
    for old in before:
        shutil.rmtree(old, ignore_errors=True)


async def _make(venv: Path, requirement: str) -> None:
    """With uv, which takes a tenth of the time, where it is there."""
    uv = find_uv()
    python = str(venv / "bin" / "python")
    if uv:
        await _run(
            uv, "venv", "-q", "--allow-existing", "--no-project", "--python", sys.executable, str(venv)
        )
        await _run(uv, "pip", "install", "-q", "--python", python, requirement)
    else:
        await _run(sys.executable, "-m", "venv", "--clear", str(venv))
        await _run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", requirement)


def find_uv() -> str | None:
    """The one on the PATH, else beside our Python."""
    return shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))


async def _describe(name: str, venv: Path) -> InstalledTap:
    told: dict[str, Any] = json.loads(await _run(str(venv / "bin" / "python"), "-c", _TELL, name))
    programs = told["programs"]
    taps = [name] if name in programs else [each for each in programs if each.startswith("tap-")] or programs
    if len(taps) != 1:
        raise InstallFailed(
            f"{name} {told['version']} brings {', '.join(taps) or 'no program'}, and not one tap"
        )
    return InstalledTap(
        name=name,
        version=told["version"],
        licence=_licence(told),
        summary=" ".join((told["summary"] or "").split()),
        program=venv / "bin" / taps[0],
        installed_at=datetime.now(UTC),
    )


def _licence(told: dict[str, Any]) -> str:
    """An SPDX expression, else the classifier, else the first line of a licence's text."""
    if told["expression"]:
        return str(told["expression"])
    for classifier in told["classifiers"]:
        named = classifier.rpartition("::")[2].strip()
        if named != "OSI Approved":
            return str(named)
    text = (told["text"] or "").strip().splitlines()
    return text[0][:80] if text else "unknown"


async def _run(*command: str) -> bytes:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    }
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=inherited,
        umask=0o022,  # what others could change, a worker does not run
    )
    try:
        async with asyncio.timeout(PATIENCE):
            answer, said = await process.communicate()
    except BaseException as error:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if isinstance(error, TimeoutError):
            raise InstallFailed(f"not done after {PATIENCE:g} s") from None
        raise
    if process.returncode:
        lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
        raise InstallFailed("; ".join(lines[-3:]) or f"exit code {process.returncode}")
    return answer
