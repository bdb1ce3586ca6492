"""What a connector is and what it yields."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from pydantic import ValidationError

from etl_core.connector import Connector, Record
from etl_core.connectors_registry import find_connector
from etl_core.testing.case import ConnectorCase
from etl_core.testing.contract.comparing import (
    all_pages,
    expect,
    streams_of,
)
from etl_core.testing.walking import run_fresh


class Yielding:
    """One run over a source that stays as it is."""

    async def test_is_a_connector_of_its_type(self, case: ConnectorCase) -> None:
        connector = case.connector()
        assert isinstance(connector, Connector)
        assert find_connector(connector.type) is type(connector), "its entry point leads elsewhere"

    async def test_a_typo_in_the_configuration_is_named(self, case: ConnectorCase) -> None:
        with pytest.raises(ValidationError, match="no_such_field"):
            case.connector().Config.model_validate({"no_such_field": "/x"})

    async def test_check_tells_in_lines_what_may_be_read(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        for finding in await case.connector().check() or ():
            assert finding.state in ("ok", "missing", "unknown"), f"{finding}, where nothing is wrong"
            for line in (finding.what, finding.detail, finding.remedy):
                assert "\n" not in line

    async def test_one_run_yields_the_whole_source(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        loaded, streams = await run_fresh(case.connector())
        assert loaded.pages > 3, "make its pages smaller, or `few` larger: there is nothing to interrupt"
        assert not loaded.rejected and not loaded.failures
        expect(case.expected(), loaded.rows)
        assert all(state.resume is None for state in loaded.checkpoint.values()), "a walk did not end"
        for stream in streams:
            names = {column.name for column in stream.columns}
            for row in loaded.rows.get(stream.name, {}).values():
                assert stream.infer or set(row) <= names, f"{stream.name} has columns that are not declared"

    async def test_pages_of_one_partition_share_a_lane(self, case: ConnectorCase) -> None:
        """Lanes are loaded beside each other: in two of them, a checkpoint would run ahead of data."""
        await case.fill(case.few)
        lanes: dict[tuple[str, str], set[str]] = {}
        for page in await all_pages(case.connector()):
            for fragment in page.checkpoint:
                lanes.setdefault((fragment.stream, fragment.partition), set()).add(page.lane)
        assert lanes
        assert all(len(found) == 1 for found in lanes.values()), lanes

    async def test_rows_of_one_key_share_a_lane(self, case: ConnectorCase) -> None:
        """In two lanes, an older version of a row could be loaded over a newer one."""
        await case.fill(case.few)
        connector = case.connector()
        streams = await streams_of(connector)
        lanes: dict[tuple[Any, ...], set[str]] = {}
        for page in await all_pages(connector):
            for name, records in page.records.items():
                for record in records:
                    row = connector.transform(streams[name], record)
                    key = tuple(row[column] for column in streams[name].key)
                    if key:
                        lanes.setdefault((name, *key), set()).add(page.lane)
        assert all(len(found) == 1 for found in lanes.values())

    async def test_transform_is_pure(self, case: ConnectorCase) -> None:
        """A worker that only transforms has a new instance, and a replay gives it a record a second time."""
        await case.fill(case.few)
        connector = case.connector()
        streams = await streams_of(connector)
        other = case.connector()
        for page in await all_pages(connector):
            for name, records in page.records.items():
                for record in records:
                    before = copy.deepcopy(record)
                    row = copy.deepcopy(connector.transform(streams[name], record))
                    assert record == before, "transform changed the record that it was given"
                    assert connector.transform(streams[name], record) == row
                    stored: Record = json.loads(json.dumps(record))
                    assert other.transform(streams[name], stored) == row, "it hangs on what an instance saw"

    async def test_a_bad_record_is_rejected_alone(self, case: ConnectorCase) -> None:
        await case.fill(case.few)
        bad = await case.spoil()
        loaded, _ = await run_fresh(case.connector())
        assert loaded.rejected == bad, [*loaded.refused, *loaded.rejects]
        assert not loaded.failures
        expect(case.expected(), loaded.rows)
        assert all(state.resume is None for state in loaded.checkpoint.values()), "it stopped at the record"
