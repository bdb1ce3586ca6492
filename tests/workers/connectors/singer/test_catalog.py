"""What a catalog says of types and keys, and what of it is selected."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from etl_core.connector import ColumnType
from etl_core.connectors_registry import check_config
from etl_core.errors import Permanent
from workers.connectors.singer.catalog import columns_of, select, streams_of
from workers.connectors.singer.config import SingerConfig

CATALOG: dict[str, Any] = {
    "streams": [
        {
            "tap_stream_id": "orders",
            "schema": {"properties": {name: {"type": "string"} for name in ("id", "notes", "name")}},
            "metadata": [
                {"breadcrumb": [], "metadata": {"table-key-properties": ["id"]}},
                {"breadcrumb": ["properties", "id"], "metadata": {"inclusion": "automatic"}},
            ],
        },
        {"stream": "people", "schema": {"properties": {"id": {}}}, "key_properties": []},
        {"stream": "huge", "metadata": [{"breadcrumb": [], "metadata": {"selected-by-default": False}}]},
    ]
}


def selected(**config: Any) -> dict[str, set[str]]:
    """Stream -> its fields that are selected or always come, of those that are selected."""
    made = select(CATALOG, SingerConfig.model_validate({"tap": "tap-x", **config}))
    found = {}
    for entry in made["streams"]:
        metadata = {tuple(each["breadcrumb"]): each["metadata"] for each in entry["metadata"]}
        if metadata[()]["selected"]:
            found[entry.get("stream") or entry["tap_stream_id"]] = {
                where[1]
                for where, what in metadata.items()
                if where and (what.get("selected") or what.get("inclusion") == "automatic")
            }
    return found


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], {"orders": {"id", "notes", "name"}, "people": {"id"}}),
        (["*"], {"orders": {"id", "notes", "name"}, "people": {"id"}, "huge": set()}),
        (["orders"], {"orders": {"id", "notes", "name"}}),
        (["orders.name"], {"orders": {"id", "name"}}),
        (["orders.n*", "!orders.notes"], {"orders": {"id", "name"}}),
        (["*", "!orders.notes", "!huge"], {"orders": {"id", "name"}, "people": {"id"}}),
        (["*", "!p*", "!huge"], {"orders": {"id", "notes", "name"}}),
    ],
)
def test_selection(patterns: list[str], expected: dict[str, set[str]]) -> None:
    assert selected(select=patterns) == expected


def test_a_stream_that_is_not_there_is_told() -> None:
    with pytest.raises(Permanent, match="no stream order; there are huge, orders, people"):
        selected(select=["order"])


def test_what_is_known_better() -> None:
    given = {"replication_method": "INCREMENTAL", "replication_key": "name", "key": ["id", "name"]}
    config = SingerConfig.model_validate({"tap": "tap-x", "streams": {"orders": given}})
    orders, people, huge = streams_of(select(CATALOG, config), config)
    assert (orders.key, orders.replication, orders.is_selected) == (
        ("id", "name"),
        "incremental by name",
        True,
    )
    assert (people.key, people.replication) == ((), "as the tap does")
    assert not huge.is_selected


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"type": "integer"}, None),
        ({"type": ["null", "number"]}, "numeric"),
        ({"type": ["integer", "number"]}, "numeric"),
        ({"type": "string", "format": "date-time"}, "timestamptz"),
        ({"type": ["string", "null"], "format": "date"}, "date"),
        ({"type": "string", "format": "uuid"}, "text"),
        ({"type": "string", "format": "singer.decimal"}, "numeric"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": ["string", "null"]}]}, "text"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}, "timestamptz"),
        ({"type": ["integer", "string"]}, "jsonb"),
        ({"type": "array", "items": {}}, "jsonb"),
        ({"type": "null"}, "jsonb"),
        ({}, "jsonb"),
        (True, "jsonb"),
    ],
)
def test_types(said: Any, kind: str | None) -> None:
    found = {column.name: column.type for column in columns_of({"properties": {"x": said}})}
    assert found.get("x") == (None if kind is None else ColumnType(kind))


def test_the_example_of_the_documentation_is_a_configuration() -> None:
    text = (Path(__file__).parents[4] / "docs" / "singer.md").read_text()
    [example] = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    check_config("singer", json.loads(example))
    for name in SingerConfig.model_fields:
        assert re.search(rf"^\| .*`{name}`.*\|", text, re.MULTILINE), name
