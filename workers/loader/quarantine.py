"""Keeps records out of a table whose schema they would change."""

from __future__ import annotations

from collections.abc import Mapping

from etl_core.connector import Record, Stream
from etl_core.errors import BadRecord
from workers.transform import Transforms


class Quarantine:
    """A connector whose records with certain fields are refused, unless they are null there."""

    def __init__(self, connector: Transforms, refused: Mapping[str, str]) -> None:
        """`refused` is field -> reason."""
        self._connector = connector
        self._refused = refused

    def transform(self, stream: Stream, record: Record) -> Record:
        row = self._connector.transform(stream, record)
        for field, reason in self._refused.items():
            if row.get(field) is not None:
                raise BadRecord(reason)
        return row
