"""What our long-running processes share: they log to stderr and stop cleanly when asked to."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

import structlog

from etl_core.run_log import tell_run
from etl_core.secret_values import mask

if TYPE_CHECKING:
    from etl_core.settings import Settings

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logging(settings: Settings) -> None:
    """Structured lines on stderr: readable on a terminal, JSON elsewhere. Secrets are never bound; one that a
    library or a connector's exception tells is masked in the finished line.

    What libraries log, from warnings on whatever our level (below, they write URLs and headers), comes as
    lines of the same kind, and so does what nobody caught.
    """
    terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        # Its own tracebacks show the values of all variables.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if terminal
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            tell_run,
            _only_from(settings.log_level),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            *([] if terminal else [structlog.processors.format_exc_info]),
            renderer,
            _mask_line,
        ],
        # A run's log has its milestones whatever this process prints.
        wrapper_class=structlog.make_filtering_bound_logger(
            min(_LEVELS[settings.log_level], _LEVELS["info"])
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(handlers=[_Lines()], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    sys.excepthook = _tell_uncaught
    threading.excepthook = lambda failed: _tell_uncaught(
        failed.exc_type, failed.exc_value, failed.exc_traceback
    )


def _only_from(level: str) -> structlog.typing.Processor:
    """Drops what is below the level."""

    def drop(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if _LEVELS.get(str(event.get("level")), 50) < _LEVELS[level]:
            raise structlog.DropEvent
        return event

    return drop


def _mask_line(_: object, __: str, line: structlog.typing.EventDict) -> str:
    return mask(str(line))


class _Lines(logging.Handler):
    """What libraries log, as a line of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            log = structlog.get_logger().bind(logger=record.name)
            log.log(record.levelno, record.getMessage(), exc_info=record.exc_info)
        except Exception as error:  # Python's own handling prints all that was to be logged
            sys.stderr.write(f"a line of {record.name} could not be logged ({type(error).__name__})\n")


def _tell_uncaught(kind: type[BaseException], error: BaseException | None, trace: Any) -> None:
    """As Python does, without secrets."""
    sys.stderr.write(mask("".join(traceback.format_exception(kind, error, trace))))


def stop_when_asked(*, with_parent: bool = False) -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; a second signal ends the process at once.

    Args:
        with_parent: also set when stdin reaches its end: a parent that holds the other end of the pipe is
            gone, however it ended.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    loop.add_signal_handler(signal.SIGUSR1, _tell_what_runs)
    if with_parent:

        def wait_for_end() -> None:
            while os.read(0, 4096):
                pass
            loop.call_soon_threadsafe(stop.set)

        threading.Thread(target=wait_for_end, name="parent watch", daemon=True).start()
    return stop


def _tell_what_runs() -> None:
    """Every task and where it waits, on stderr: for a process that seems to hang (`kill -USR1 PID`)."""
    for task in asyncio.all_tasks():
        lines = [f"--- {task.get_name()}"]
        waits: Any = task.get_coro()
        while waits is not None:
            frame = getattr(waits, "cr_frame", None) or getattr(waits, "ag_frame", None)
            if frame is not None:
                lines.append(f"  {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
            waits = getattr(waits, "cr_await", None) or getattr(waits, "ag_await", None)
        sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()


def this_host() -> str:
    """The host's name, as `workers list` shows it."""
    return socket.gethostname()
