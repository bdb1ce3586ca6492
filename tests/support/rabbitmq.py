"""A real RabbitMQ for tests: a private server without root, or the one named by ETL_TEST_AMQP_URL.

The private one runs on free ports of 127.0.0.1 with its data in a folder of the caller's. It and its `epmd`
end with the process that started them, however that ends (`process_guard`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests.support import process_guard
from tests.support.ports import free_ports
from tests.support.rabbitmq_parts import link_needed_parts
from tests.support.rabbitmq_programs import NoRabbitMQError, Programs, find_programs
from tests.support.relay import Relay

START_TIMEOUT = 90
"""Seconds a server may take to accept connections; about 7 on two cores, more when they are busy."""
STOP_TIMEOUT = 30


class RabbitMQ:
    """One private server. `start()` after `stop()` or `kill()` finds the data and the port as they were."""

    def __init__(self, folder: Path, programs: Programs | None = None) -> None:
        self.folder = folder
        """All that it keeps and tells."""
        self._programs = programs or find_programs()
        self.ports = free_ports(4)
        self._port, self._dist_port, self._epmd_port, self._tls_port = self.ports
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._parts_linked = False
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}/"
        self.tls_url = f"amqps://guest:guest@127.0.0.1:{self._tls_port}/"
        self.authority = folder / "authority.pem"
        """The certificate of who signed the server's; like `tls_url` of use only where there is `openssl`."""

    def start(self) -> None:
        """Start and wait until it accepts connections; nothing happens when it runs.

        Raises:
            NoRabbitMQError: it does not come up; the message holds the end of its output.
        """
        if self._server is not None:
            return
        self._configure()
        environment = self._environment()
        with (self.folder / "output").open("ab") as output:
            self._server = subprocess.Popen(
                [str(self._programs.server)],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            # In the foreground and in the server's group: left to itself, Erlang starts one that outlives it.
            self._epmd = subprocess.Popen(
                [str(self._programs.erlang_bin / "epmd")],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._guard = subprocess.Popen(
            [sys.executable, process_guard.__file__, str(self._server.pid), str(self._epmd.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._wait_until_up(self._server)

    def stop(self) -> None:
        """Stop in good order; data is kept."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill at once; confirmed messages are kept.

        A queue declared within the last half second may come back damaged: RabbitMQ has not written its
        name yet, and then refuses consumers with INTERNAL_ERROR until it is deleted.
        """
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop in good order and start again."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End for good."""
        self.kill()

    def evaluate(self, expression: str) -> str:
        """What an Erlang expression is in the server: all that `rabbitmqctl` could ask for.

        That takes a second of a processor, so only where Erlang comes without `erl_call`.
        """
        call = self._programs.erlang_bin / "erl_call"
        name = self._environment()["RABBITMQ_NODENAME"]
        if call.is_file():
            cookie = (self.folder / ".erlang.cookie").read_text()
            command = [str(call), "-sname", name, "-c", cookie, "-e"]
        else:
            command = [str(self._programs.server.with_name("rabbitmqctl")), "-q", "eval", f"{expression}."]
        ran = subprocess.run(
            command,
            env=self._environment(),
            cwd=self.folder,
            input=f"{expression}.\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert not ran.stdout.startswith(("{error,", "{ok, {error,")), ran.stdout
        return ran.stdout

    def _end(self, how: signal.Signals) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.send_signal(how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(STOP_TIMEOUT)
        for process in (server, self._epmd):
            if process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait()

    def _configure(self) -> None:
        home = self.folder
        for name in ("mnesia", "log", "config"):
            (home / name).mkdir(parents=True, exist_ok=True)
        (home / "enabled_plugins").write_text("[].\n")
        self._parts_linked = link_needed_parts(self._programs.server, home / "parts")
        (home / "env.conf").write_text("")  # instead of the machine's, which may name other folders
        (home / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self._port}\n"
            "disk_free_limit.absolute = 1MB\n"
            "raft.wal_max_size_bytes = 16777216\n"
            "log.file.level = warning\n"
            f"{self._tls_listener()}"
        )

    def _tls_listener(self) -> str:
        if not (shutil.which("openssl") and (self.authority.exists() or self._certify())):
            return ""
        return (
            f"listeners.ssl.1 = 127.0.0.1:{self._tls_port}\n"
            f"ssl_options.cacertfile = {self.authority}\n"
            f"ssl_options.certfile = {self.folder / 'certificate.pem'}\n"
            f"ssl_options.keyfile = {self.folder / 'key.pem'}\n"
        )

    def _certify(self) -> bool:
        """An authority of our own, and a certificate for 127.0.0.1 signed by it."""
        new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes"]
        (self.folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        authority = ["-x509", "-days", "2", "-subj", "/CN=tests", "-keyout", "authority.key"]
        server = ["-subj", "/CN=127.0.0.1", "-keyout", "key.pem", "-out", "request.pem"]
        sign = ["openssl", "x509", "-req", "-days", "2", "-in", "request.pem", "-extfile", "names"]
        by = ["-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-out", "certificate.pem"]
        for command in ([*new, *authority, "-out", "authority.pem"], [*new, *server], [*sign, *by]):
            ran = subprocess.run(command, cwd=self.folder, capture_output=True, check=False)
            if ran.returncode:
                self.authority.unlink(missing_ok=True)
                return False
        return True

    def _environment(self) -> dict[str, str]:
        home = self.folder
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("RABBITMQ_", "ERL_"))}
        if self._parts_linked:
            inherited["RABBITMQ_PLUGINS_DIR"] = str(home / "parts")
        return inherited | {
            "PATH": f"{self._programs.erlang_bin}:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{self._port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(home / "env.conf"),
            # The script then becomes the server instead of watching it, so that its pid is the server's.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-noinput -start_epmd false +S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }

    def _wait_until_up(self, server: subprocess.Popen[bytes]) -> None:
        give_up = time.monotonic() + START_TIMEOUT
        while time.monotonic() < give_up and server.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return
            time.sleep(0.1)
        said = (self.folder / "output").read_text(errors="replace").strip().splitlines()[-3:]
        self.kill()
        raise NoRabbitMQError(f"{self._programs.server} does not come up ({' | '.join(said)})")


class ForeignRabbitMQ:
    """A RabbitMQ that is not ours to stop, behind a relay that can be: clients see the same cuts.

    `restart()` keeps the data because nothing is restarted.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "amqp" or not parts.hostname:
            raise NoRabbitMQError("ETL_TEST_AMQP_URL must be amqp://user:password@host:port/vhost")
        self._relay = Relay(parts.hostname, parts.port or 5672)
        login, at, _ = parts.netloc.rpartition("@")
        self.url = urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{self._relay.port}"))

    def start(self) -> None:
        """Accept connections."""
        self._relay.open()

    def stop(self) -> None:
        """Cut all connections and refuse new ones."""
        self._relay.shut()

    def kill(self) -> None:
        """The same as `stop`: from here there is no difference."""
        self.stop()

    def restart(self) -> None:
        """Cut all connections."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End for good."""
        self._relay.close()
