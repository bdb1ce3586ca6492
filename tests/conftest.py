"""What every test can use; the fixtures themselves live in tests/support, a file per service."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.support.forbid_skips",
    "tests.support.long_first",
    "tests.support.postgres",
    "tests.support.rabbitmq_fixtures",
]

# How fast this machine makes up examples, or tries one, says nothing about what is tested.
settings.register_profile(
    "patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")

# A shell starts what it puts in the background (`make test &`) with SIGINT ignored. Programs under test
# would inherit that, and tests of Ctrl-C would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# How long an example takes says only how busy the machine is.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever a program under test keeps for its user never lands with the real one."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
