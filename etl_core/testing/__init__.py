"""For the tests of connectors, ours and other people's alike: `pip install 'etl-tui[testing]'`.

- `case.ConnectorCase`: what the suite must know of a source; a connector's tests write one.
- `connector_contract.ConnectorContract`: what every connector must do; a connector's tests subclass it.
- `destination`, `walking`: a destination in memory, and runs into it as a worker does them.

Nothing else of the program imports this package, for it needs pytest.
"""

import pytest

# So that a failed assert shows its values, as it does in a test of one's own.
pytest.register_assert_rewrite("etl_core.testing.destination", "etl_core.testing.contract")
