"""What a person chose, kept in a small file of his own: columns, order, views, past filters.

The file is one JSON object, a key per preference. Several dashboards share it: a change reads it anew under a
lock and writes only its own key, so that none undoes what another one chose. Nothing that is wrong with the
file ends a dashboard: what was chosen then holds until it is quit.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import platformdirs

from etl_tui.cli.output import one_line

FILE = "preferences.json"
LOCK_PATIENCE = 0.5
"""Seconds to wait for another dashboard, which holds the lock for milliseconds; a screen must not freeze."""

T = TypeVar("T")


@dataclass(frozen=True)
class Preference(Generic[T]):
    """One thing that can be chosen: its key in the file, its type as msgspec reads it, its value unchosen.

    `Preference("filter_history", list[str], [])`. `default` is shared: whoever reads it must not change it.
    """

    key: str
    type: Any
    default: T

    def read(self, kept: Any) -> T:
        """Of what the file has. Raises msgspec.ValidationError: it is something else."""
        value: T = msgspec.convert(kept, self.type)
        return value


class Preferences:
    """What was chosen. Without a path it is forgotten at the end. For use from one thread."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.trouble: str | None = None
        """What was wrong with the file, in one line, for whoever shows it; None when nothing was."""
        self._values: dict[str, Any] = {}
        self._read()

    @classmethod
    def of_user(cls) -> Preferences:
        """Those of the person at the terminal, root included: `XDG_STATE_HOME`, or below `HOME`."""
        return cls(platformdirs.user_state_path("etl-tui") / FILE)

    def get(self, preference: Preference[T]) -> T:
        """What was chosen, as this dashboard knows it; the default where the file holds something else."""
        if preference.key not in self._values:
            return preference.default
        try:
            return preference.read(self._values[preference.key])
        except msgspec.ValidationError:  # written by a newer program, or by hand
            return preference.default

    def set(self, preference: Preference[T], value: T) -> None:
        """Chooses it and keeps it; other keys stay as the file has them."""
        self.change(preference, lambda _: value)

    def change(self, preference: Preference[T], changed: Callable[[T], T]) -> T:
        """Makes a value of the one in the file: for lists that several dashboards add to. Returns it."""
        if self.path is None:
            return self._take(preference, changed)
        try:
            with _locked(self.path):
                self._read()
                value = self._take(preference, changed)
                _write(self.path, self._values)
        except OSError as error:
            self.trouble = one_line(f"{self.path} cannot be written, choices are not kept: {error}")
            value = self._take(preference, changed)
        return value

    def _take(self, preference: Preference[T], changed: Callable[[T], T]) -> T:
        value = changed(self.get(preference))
        self._values[preference.key] = msgspec.to_builtins(value)
        return value

    def _read(self) -> None:
        """Takes over what the file says. One that is no JSON object is put aside, and told."""
        if self.path is None:
            return
        try:
            self._values = msgspec.json.decode(self.path.read_bytes(), type=dict[str, Any])
        except FileNotFoundError:
            pass
        except msgspec.MsgspecError as error:
            aside = _put_aside(self.path)
            self.trouble = one_line(f"what was chosen cannot be read ({error}); the file is now {aside}")
        except OSError as error:
            self.trouble = one_line(f"{self.path} cannot be read: {error}")


def _put_aside(path: Path) -> Path:
    """Out of the way, but not lost; where it is then."""
    try:
        return path.replace(path.with_suffix(".broken.json"))
    except OSError:
        return path


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone with the file. Its lock is one beside it, for the file itself is replaced.

    Raises:
        OSError: the folder cannot be written, or somebody holds the lock for long.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    until = time.monotonic() + LOCK_PATIENCE
    with path.with_suffix(".lock").open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)
        yield


def _write(path: Path, values: dict[str, Any]) -> None:
    """The whole file at once: whoever reads it finds the old or the new one."""
    number, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    try:
        with os.fdopen(number, "wb") as written:
            written.write(msgspec.json.format(msgspec.json.encode(values, order="sorted"), indent=1) + b"\n")
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
