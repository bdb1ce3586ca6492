"""A terminal of tests: shells in tmux, what they show, and in which modes their terminals are."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.support.jobs import eventually
from tests.support.skips import TMUX_MISSING

IN_ORDER = "0 0 1"
"""No second screen, no mouse reports, a cursor."""
READY = "ready: "
"""The shell's prompt."""


class Tmux:
    """A server of its own, without anybody's settings."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("tmux") is None:
            pytest.skip(TMUX_MISSING)
        # A socket's path must be short; the folder of a test may not be.
        self._name = f"etl-tui-test-{os.getpid()}"
        self.folder = folder

    def run(self, *arguments: str) -> str:
        command = ["tmux", "-L", self._name, "-f", "/dev/null", *arguments]
        # Out of the tmux that the tests may be run in.
        environment = {name: value for name, value in os.environ.items() if name != "TMUX"}
        environment["LC_ALL"] = "C.UTF-8"
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout

    def open(self, name: str, environment: dict[str, str], *, columns: int = 100, lines: int = 30) -> Shell:
        """A shell in a terminal of its own; its environment is what is given, PATH and folders."""
        given = {
            "PATH": os.environ["PATH"],
            "PS1": READY,
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.folder),
        } | environment
        shell = shlex.join(["env", "-i", *(f"{key}={value}" for key, value in given.items()), "sh", "-i"])
        size = ("-x", str(columns), "-y", str(lines))
        self.run("new-session", "-d", *size, "-s", name, "exec " + shell)
        self.run("set-option", "-t", name, "status", "off")
        self.run("resize-window", "-t", name, *size)
        return Shell(self, name)

    def buffer(self) -> str:
        """What was copied last."""
        try:
            return self.run("show-buffer")
        except subprocess.CalledProcessError:  # nothing
            return ""

    def end(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):  # it ended with its last session
            self.run("kill-server")


@dataclass(frozen=True)
class Shell:
    """One terminal with a shell in it."""

    tmux: Tmux
    name: str

    def send(self, *keys: str) -> None:
        """Keys by tmux's names (`Enter`, `C-z`), or texts."""
        self.tmux.run("send-keys", "-t", self.name, *keys)

    def start(self, *arguments: str, python: str = "-m etl_tui") -> None:
        """The real program, as a job of the shell."""
        self.send(f"{shlex.quote(sys.executable)} {python} {shlex.join(arguments)}; echo ended $?", "Enter")

    def go_on(self) -> None:
        """With the program that was stopped."""
        self.send("fg; echo ended $?", "C-j")  # where Enter is no line end, it is one

    def text(self) -> str:
        """What is on the screen."""
        return self.tmux.run("capture-pane", "-p", "-t", self.name)

    def colours(self) -> str:
        """The same with its escape sequences."""
        return self.tmux.run("capture-pane", "-e", "-p", "-t", self.name)

    def modes(self) -> str:
        """Whether the second screen is shown, the mouse is reported, a cursor is shown."""
        modes = "#{alternate_on} #{mouse_any_flag} #{cursor_flag}"
        return self.tmux.run("display-message", "-p", "-t", self.name, modes).strip()

    def program(self) -> psutil.Process:
        """The one that was started."""
        shell = int(self.tmux.run("display-message", "-p", "-t", self.name, "#{pane_pid}"))
        (program,) = psutil.Process(shell).children()
        return program

    async def until(self, holds: Callable[[str], object], what: str) -> str:
        """The text of the screen once it is as it should be."""

        async def look() -> str | None:
            text = await asyncio.to_thread(self.text)
            return text if holds(text) else None

        try:
            return str(await eventually(look, what))
        except AssertionError as late:
            raise AssertionError(f"{late}; the screen of {self.name}:\n{self.text()}") from None

    async def until_ended(self, code: int) -> None:
        """The shell is back, and its terminal as it was: modes, echo, lines."""
        await self.until(lambda text: f"ended {code}\n" in text, f"the program to end with {code}")
        assert (self.name, self.modes()) == (self.name, IN_ORDER)
        self.send("stty -a | tr ';' '\\n' | grep echo", "Enter")
        shown = await self.until(lambda text: "icanon" in text, "stty")
        words = shown.split()
        assert [word for word in ("echo", "icanon", "isig") if word not in words] == []
