"""A pytest plugin: with `--renew-screens`, what tests say the screens look like is written anew."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--renew-screens", action="store_true", help="write anew what the screens look like (make snapshots)"
    )


@pytest.fixture
def renew_screens(request: pytest.FixtureRequest) -> bool:
    """Whether screens are to be written rather than compared."""
    return bool(request.config.getoption("--renew-screens"))
