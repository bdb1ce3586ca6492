"""The private RabbitMQ leaves nothing behind, and says in one line when there can be none."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import rabbitmq_programs
from tests.support.rabbitmq import ForeignRabbitMQ
from tests.support.rabbitmq_programs import CHECKOUT, NoRabbitMQError, fetched

STARTER = """
import time, sys
from pathlib import Path
from tests.support.rabbitmq import RabbitMQ
server = RabbitMQ(Path(sys.argv[1]))
server.start()
print(*server.ports, flush=True)
time.sleep(600)
"""


def listens(port: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), 1):
        return True
    return False


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.1)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])  # by SIGTERM it dies as by SIGKILL
def test_it_ends_with_its_starter(how: signal.Signals, tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with starter:
        assert starter.stdout is not None
        ports = starter.stdout.readline().decode().split()
        assert [listens(port) for port in ports[:3]] == [True] * 3  # clients, other nodes, epmd
        starter.send_signal(how)
    until(lambda: not any(map(listens, ports)))


def test_without_apt_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoRabbitMQError) as caught:
        fetched(tmp_path)
    assert "\n" not in str(caught.value)
    assert "set ETL_TEST_AMQP_URL" in str(caught.value)


def test_apt_that_cannot_download_gives_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "bin"
    broken.mkdir()
    for name in ("apt-get", "apt-cache", "dpkg"):
        script = broken / name
        script.write_text("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(NoRabbitMQError, match="apt-get failed: E: no network"):
        fetched(tmp_path)


def test_an_installed_server_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("rabbitmq-server", "epmd"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    programs = rabbitmq_programs.installed()
    assert programs is not None
    assert programs.server.name == "rabbitmq-server"


def test_a_foreign_server_is_named_by_an_amqp_url() -> None:
    with pytest.raises(NoRabbitMQError, match="ETL_TEST_AMQP_URL must be amqp://"):
        ForeignRabbitMQ("localhost:5672")
