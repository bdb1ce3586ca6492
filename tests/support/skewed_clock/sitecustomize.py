"""Gives a Python process another wall clock: put this folder on PYTHONPATH, set SKEWED_CLOCK.

SKEWED_CLOCK is a shift in seconds (`-10800`), or two of them with the seconds after its start at which the
second begins (`10800@3,-10800`). What is monotonic stays. Python imports a module of this name by itself,
before everything else, so that nobody has a clock from before.
"""

from __future__ import annotations

import datetime as datetime_module
import os
import time
from typing import Any

_first, _, _second = os.environ.get("SKEWED_CLOCK", "0").partition(",")
_at_first, _, _until = _first.partition("@")
_started = time.monotonic()
_time, _time_ns, _clock_gettime = time.time, time.time_ns, time.clock_gettime
_gmtime, _localtime = time.gmtime, time.localtime
_Real = datetime_module.datetime


def shift() -> float:
    """Seconds by which this process is ahead now."""
    if _second and time.monotonic() - _started >= float(_until):
        return float(_second)
    return float(_at_first)


def _skewed_gettime(clock: int) -> float:
    return _clock_gettime(clock) + (shift() if clock == time.CLOCK_REALTIME else 0)


class _AnyDatetime(type):
    """Those that C code makes are of the real class: they count as datetimes, too."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _Real)


class datetime(_Real, metaclass=_AnyDatetime):  # noqa: N801 - takes the place of that name
    __slots__ = ()

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return _Real.now(tz) + datetime_module.timedelta(seconds=shift())

    @classmethod
    def utcnow(cls) -> Any:
        return _Real.now(datetime_module.UTC).replace(tzinfo=None) + datetime_module.timedelta(
            seconds=shift()
        )

    @classmethod
    def today(cls) -> Any:
        return cls.now()


time.time = lambda: _time() + shift()
time.time_ns = lambda: _time_ns() + int(shift() * 1e9)
time.clock_gettime = _skewed_gettime
time.gmtime = lambda seconds=None: _gmtime(time.time() if seconds is None else seconds)
time.localtime = lambda seconds=None: _localtime(time.time() if seconds is None else seconds)
datetime_module.datetime = datetime  # type: ignore[misc]  # that is the point
