"""What a process tells of what nobody caught: log lines, crash reports, tracebacks."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from etl_core.process import configure_logging
from etl_core.secret_values import holds_secret, mask, remember_secret
from etl_core.settings import load_settings
from etl_tui.cli.failures import report
from tests.leaks.planting import CORE, new_secret

DYING = """
import asyncio, logging, os, threading, warnings
from etl_core.process import configure_logging
from etl_core.secret_values import remember_secret
from etl_core.settings import load_settings

secret = os.environ["PLANTED"]
remember_secret(secret)
configure_logging(load_settings(log_level="debug"))
logging.getLogger("library").warning("lost %s", secret)
logging.getLogger("library").warning("lost %s and %s", secret)
logging.getLogger("library").debug("GET /?key=%s", secret)
warnings.warn(f"deprecated: {secret}")

def fail():
    raise ValueError(f"thread {secret!r}")

thread = threading.Thread(target=fail)
thread.start()
thread.join()

async def forget():
    asyncio.get_running_loop().create_future().set_exception(ValueError(secret))

asyncio.run(forget())
raise RuntimeError(f"main {secret}") from KeyError(secret)
"""


def test_a_process_that_dies_tells_no_secret() -> None:
    environment = {**os.environ, "PLANTED": new_secret()}
    ended = subprocess.run(
        [sys.executable, "-c", DYING], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert CORE not in ended.stdout + ended.stderr
    for told in ("lost ***", "deprecated: ***", "thread ", "never retrieved", "RuntimeError: main ***"):
        assert told in ended.stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_traceback_on_a_terminal_shows_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    configure_logging(load_settings())
    try:
        try:
            unknown = new_secret()  # never remembered: nothing but not being shown hides it
            print([][len(unknown)])
        except IndexError:
            structlog.get_logger().exception("it broke")
    finally:
        structlog.reset_defaults()
    assert "IndexError" in terminal.getvalue()
    assert CORE not in terminal.getvalue()


def test_a_crash_report_holds_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("ETL_LOG_LEVEL", "debug")
    secret = new_secret()
    remember_secret(secret)
    error = RuntimeError(repr({"token": secret}))
    error.__cause__ = KeyError(secret)
    assert report(error, "jobs") == 1
    (written,) = tmp_path.rglob("errors.log")
    told = written.read_text() + "".join(capsys.readouterr())
    assert told.count("RuntimeError") >= 3
    assert CORE not in told


def test_a_secret_is_known_however_it_is_written() -> None:
    secret = new_secret()
    remember_secret(secret)
    for told in (repr([[secret]]), repr(repr([secret, '"'])), repr(repr(repr(f"'{secret}\"")))):
        assert holds_secret(told)
        assert CORE not in mask(told)
