"""What every test can use; the fixtures themselves live in tests/support, a file per service."""

import os
import signal

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.support.forbid_skips",
    "tests.support.long_first",
    "tests.support.postgres",
    "tests.support.rabbitmq_fixtures",
    "tests.support.renewal",
]

# A shell starts what it puts in the background (`make test &`) with SIGINT ignored. Programs under test
# would inherit that, and tests of Ctrl-C would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# How long an example takes says only how busy the machine is. `make soak` tries more of them.
settings.register_profile(
    "tests",
    max_examples=int(os.environ.get("ETL_EXAMPLES", "50")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")

# structlog's own way to draw a traceback, with the values of all variables, takes up to seconds.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.StackInfoRenderer(),
        structlog.dev.set_exc_info,
        structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever a program under test keeps for its user never lands with the real one."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
