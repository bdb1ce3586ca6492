"""What tests of all connectors have in common."""

from __future__ import annotations

import pytest

from workers.http import read_ahead


@pytest.fixture(autouse=True)
def _as_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages do not wait for each other, so that a run has many of them and may end behind each."""
    monkeypatch.setattr(read_ahead, "PATIENCE", 0.0)
