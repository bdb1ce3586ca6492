"""A pytest plugin: with `--forbid-skips`, a test that was skipped without an allowed reason fails the run."""

from __future__ import annotations

import pytest

from tests.support.skips import ALLOWED


class ForbidSkips:
    """Gathers skips of tests and of whole modules; under xdist the controller sees those of all workers."""

    def __init__(self) -> None:
        self.forbidden: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not hasattr(report, "wasxfail"):
            self._look(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._look(report)

    def _look(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.outcome != "skipped":
            return
        longrepr = report.longrepr
        reason = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
        reason = reason.removeprefix("Skipped: ")
        if not reason.startswith(ALLOWED):
            self.forbidden[report.nodeid] = reason

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.forbidden and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.forbidden:
            terminalreporter.section("skipped without an allowed reason (tests/support/skips.py)", red=True)
            for nodeid, reason in self.forbidden.items():
                terminalreporter.line(f"{nodeid}: {reason}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--forbid-skips", action="store_true", help="fail when a test was skipped without an allowed reason"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--forbid-skips") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(ForbidSkips(), "forbid-skips-reports")
