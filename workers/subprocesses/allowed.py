"""Which programs this worker runs: those that `ETL_ALLOW_COMMANDS` names, by default none.

What runs is said by a row of the database; whoever may write there must not be able to run anything on the
machines of the workers. So the worker itself, by its own settings, says what it agrees to.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from etl_core.errors import InvalidInput, Permanent
from etl_core.process import this_host
from etl_core.settings import load_settings

_SETTING = "ETL_ALLOW_COMMANDS"


def find_allowed(program: str) -> Path:
    """The program, named by its absolute path or by a name that PATH leads to.

    Raises:
        Permanent: it is not there, cannot be run, or is not allowed; says what to set.
    """
    found = shutil.which(program) if "/" not in program else program
    if found is None:
        raise Permanent(f"there is no program {program!r} on the PATH of the worker on {this_host()}")
    path = Path(found)
    if not path.is_absolute() or ".." in path.parts:
        raise Permanent(f"{program!r}: give a program's absolute path without .., or a name on the PATH")
    if not any(_covers(entry, path) for entry in allowed_commands()):
        raise Permanent(
            f"the worker on {this_host()} may not run {path}: where it is started, add it to {_SETTING} "
            "(docs/command.md)"
        )
    if not path.is_file():
        raise Permanent(f"there is no program {path} on {this_host()}")
    if not os.access(path, os.X_OK):
        raise Permanent(f"{path} cannot be run by the worker on {this_host()}: `chmod +x` it")
    return path


def allowed_commands() -> tuple[str, ...]:
    """What this process may run.

    Raises:
        Permanent: the settings cannot be read.
    """
    try:
        return load_settings().allow_commands
    except InvalidInput as error:
        raise Permanent(str(error)) from None


def _covers(entry: str, path: Path) -> bool:
    """A folder's entry ends in a slash, and covers what really lies in or below it."""
    if not entry.endswith("/"):
        return Path(entry) == path
    folder = Path(entry)
    return path.is_relative_to(folder) and path.parent.resolve().is_relative_to(folder.resolve())
