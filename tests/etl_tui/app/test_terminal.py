"""What the terminal is asked and told: its background, the clipboard, news of failures."""

from __future__ import annotations

import base64

import asyncpg
import pytest

from etl_core.models.job import JobRow
from etl_tui.app.terminal.alerts import AT_MOST_EVERY, Alerts, Notify
from etl_tui.app.terminal.background import is_light, may_ask
from etl_tui.app.terminal.escapes import BELL, clipboard, notification
from tests.etl_tui.app.conftest import AddJob


@pytest.mark.parametrize(
    ("answer", "light"),
    [
        (b"\x1b]11;rgb:ffff/ffff/dddd\x1b\\\x1b[?62c", True),
        (b"\x1b]11;rgb:12/12/12\x07\x1b[?62c", False),
        (b"\x1b]11;rgba:fdf6/f6e3/e300/ffff\x07", True),
        (b"\x1b[?1;2c", None),
        (b"", None),
    ],
)
def test_the_background_is_read_from_the_answer(answer: bytes, light: bool | None) -> None:
    assert is_light(answer) is light


@pytest.mark.parametrize(
    ("environ", "may"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "screen-256color", "TMUX": "/tmp/t,1,0"}, True),
        ({"TERM": "xterm-256color", "SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 22"}, False),
        ({"TERM": "linux"}, False),
        ({}, False),
    ],
)
def test_only_a_terminal_of_this_machine_is_asked(environ: dict[str, str], may: bool) -> None:
    """An answer that comes late is taken for keys."""
    assert may_ask(environ) is may


def test_a_copy_passes_through_screen_in_pieces() -> None:
    text = "x" * 3_000
    plain = f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\a"
    assert clipboard(text, {"TERM": "xterm"}) == plain
    assert clipboard(text, {"TMUX": "/tmp/t,1,0", "STY": "1.s"}) == plain
    wrapped = clipboard(text, {"TERM": "screen", "STY": "1.s"})
    pieces = wrapped.removesuffix("\x1b\\").split("\x1b\\\x1bP")
    assert "".join(pieces).removeprefix("\x1bP") == plain
    assert max(map(len, pieces)) < 768


@pytest.mark.parametrize(
    ("environ", "sequence"),
    [
        ({"TERM": "xterm-256color"}, "\x1b]9;etl-tui: a,b?\a"),
        ({"TERM": "rxvt-unicode-256color"}, "\x1b]777;notify;etl-tui;a,b?\a"),
        ({"TERM": "tmux-256color", "TMUX": "1"}, "\x1bPtmux;\x1b\x1b]9;etl-tui: a,b?\a\x1b\\" + BELL),
        ({"TERM": "screen", "STY": "1"}, "\x1bP\x1b]9;etl-tui: a,b?\a\x1b\\" + BELL),
    ],
)
def test_a_notification_for_each_terminal(environ: dict[str, str], sequence: str) -> None:
    assert notification("etl-tui", "a;b\x1b", environ) == sequence


class Heard:
    """Alerts, what they wrote, and a clock that stands still."""

    def __init__(self, notify: Notify) -> None:
        self.written: list[str] = []
        self.now = 0.0
        self.alerts = Alerts(
            notify, self.written.append, {"TERM": "xterm"}, place="prod", clock=lambda: self.now
        )


@pytest.fixture
async def job(add_job: AddJob, db: asyncpg.Connection) -> JobRow:
    from etl_core.control.jobs import read_job

    return await read_job(db, await add_job("payments"))


async def test_only_new_failures_are_told_and_bursts_with_a_count(job: JobRow) -> None:
    heard = Heard("desktop")
    failed = {"status": "FAILED", "retry_count": 1, "error_message": "timeout"}
    jobs = [job.model_copy(update={"id": number, "job_name": f"job{number}"}) for number in range(5)]
    heard.alerts.see_all([jobs[0].model_copy(update=failed), *jobs[1:]])
    assert heard.written == []  # what failed before is no news
    heard.alerts.see([jobs[1].model_copy(update=failed)])
    assert heard.written == ["\x1b]9;etl-tui prod: acme/job1 failed, timeout\a"]
    heard.alerts.see([jobs[2].model_copy(update=failed)])
    heard.alerts.see([jobs[1].model_copy(update={"status": "RUNNING", "retry_count": 1})])
    heard.alerts.see([jobs[1].model_copy(update=failed | {"retry_count": 2})])  # a retry that failed, too
    heard.alerts.see_all([jobs[3].model_copy(update=failed), jobs[0]])  # the database was away meanwhile
    assert len(heard.written) == 1
    heard.now += AT_MOST_EVERY
    heard.alerts.tick()
    heard.alerts.tick()
    assert heard.written[1:] == ["\x1b]9;etl-tui prod: 2 jobs failed, acme/job2 first\a"]
    heard.now += AT_MOST_EVERY
    heard.alerts.see([jobs[0].model_copy(update=failed)])  # it was well again
    assert len(heard.written) == 3


async def test_a_bell_and_silence(job: JobRow) -> None:
    failed = job.model_copy(update={"status": "FAILED", "retry_count": 1})
    for notify, written in (("bell", [BELL]), ("off", [])):
        heard = Heard(notify)  # type: ignore[arg-type] # of a tuple's words
        heard.alerts.see_all([job])
        heard.alerts.see([failed, failed.model_copy(update={"id": 0, "active": False})])
        assert heard.written == written
