"""What is written down when the dashboard ends by an unexpected error: enough to mend it, no secret.

No value of a variable of the environment or of the program is in it.
"""

from __future__ import annotations

import os
import platform
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import platformdirs

from etl_core.redact import HIDDEN, redact_text
from etl_core.rules.secrets import passwords_in
from etl_core.secret_values import mask

PACKAGES = ("textual", "rich", "asyncpg", "pydantic")
KEPT = 20
"""Reports; older ones are removed when one is written."""


def write_crash_report(
    error: BaseException, *, terminal: str, urls: Iterable[str] = (), folder: Path | None = None
) -> Path:
    """Writes it for its owner alone and returns where.

    Args:
        terminal: what is known of the terminal, in a line.
        urls: services that this process talks to; their passwords are taken out of every text.
        folder: the user's state folder unless given.

    Raises:
        OSError: it cannot be written.
    """
    from etl_core import __version__

    folder = folder or platformdirs.user_state_path("etl-tui")
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    lines = [
        f"etl-tui {__version__} dashboard, {now:%Y-%m-%d %H:%M:%S} UTC",
        f"Python {platform.python_version()} on {platform.platform(terse=True)}",
        packages,
        f"terminal: {terminal}",
        "",
        "".join(traceback.format_exception(error)),
    ]
    path = folder / f"crash-{now:%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as report:
        report.write(without_secrets("\n".join(lines), urls))
    for old in sorted(folder.glob("crash-*.txt"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def without_secrets(text: str, urls: Iterable[str] = ()) -> str:
    """The text without what this process knows to be secret, and without the passwords of any URL in it."""
    for url in urls:
        text = redact_text(text, url)
    for password in passwords_in(text):
        text = text.replace(password, HIDDEN)
    return mask(text)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"
