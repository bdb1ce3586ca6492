from __future__ import annotations

import pytest

from etl_core.store import queries


def test_every_file_loads_and_has_queries() -> None:
    assert "broker" in queries.names()
    for name in queries.names():
        assert queries.load(name).available_queries


def test_a_file_is_read_once() -> None:
    assert queries.load("broker") is queries.load("broker")


def test_an_unknown_file() -> None:
    with pytest.raises(FileNotFoundError):
        queries.load("nowhere")
