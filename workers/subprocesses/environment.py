"""What of the worker's environment a program gets: nothing of it is a secret, or about this program."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR")
_LOCALE = re.compile(r"LC_[A-Z]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HARMLESS = frozenset(
    {"PYTHONUNBUFFERED", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONWARNINGS", "PYTHONHASHSEED"}
)
_LOADS_CODE = re.compile(
    r"(?:LD_|DYLD_|PYTHON|PERL5|RUBY|NODE_|BASH_|GIT_|LUA_|ETL_).*"
    r"|PATH|IFS|ENV|SHELLOPTS|PS4|PROMPT_COMMAND|CDPATH|GCONV_PATH|PSQLRC|PAGER|EDITOR|VISUAL|LESSOPEN"
    r"|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_JAVA_OPTIONS|CLASSPATH"
)
"""Variables by which a program that is allowed could be made to run one that is not."""


def clean_environment() -> dict[str, str]:
    """Of our own environment, what every program needs."""
    return {name: value for name, value in os.environ.items() if name in PASSED_ON or _LOCALE.fullmatch(name)}


def why_not_settable(names: Mapping[str, object]) -> str | None:
    """What is wrong with the names of variables that a configuration sets."""
    for name in names:
        if not _NAME.fullmatch(name):
            return f"{name[:60]!a} cannot be the name of a variable"
        if _LOADS_CODE.fullmatch(name) and name not in _HARMLESS:
            return f"{name} cannot be set: it could make an allowed program run others; let a script set it"
    return None
