"""What every connector must do, whatever it connects to.

Subclass `ConnectorContract` and give it a `case` (see `etl_core.testing.case`, which shows a whole one).
Tests are coroutines: they need pytest-asyncio.
"""

from __future__ import annotations

import pytest

from etl_core.testing.case import ConnectorCase
from etl_core.testing.contract.changing import Changing
from etl_core.testing.contract.going_on import GoingOn
from etl_core.testing.contract.resources import Resources
from etl_core.testing.contract.yielding import Yielding


@pytest.mark.asyncio
class ConnectorContract(Yielding, GoingOn, Changing, Resources):
    """The suite. Each test is told in its name; its docstring says why, where that is not plain."""

    @pytest.fixture
    def case(self) -> ConnectorCase:
        """A source of its own for each test; a fixture of this name in the subclass gives it."""
        raise NotImplementedError(f"{type(self).__name__} has no fixture `case`")
