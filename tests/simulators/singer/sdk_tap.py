"""A tap on singer-sdk: numbers, in no order; it may be ended in mid-run by a SIGTERM, as by a deploy.

Run by the Python of a venv that has the SDK.
"""

# mypy: ignore-errors

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime, timedelta

from singer_sdk import Stream, Tap
from singer_sdk import typing as th

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class Numbers(Stream):
    """Numbers from 0 on, each with its time."""

    name = "numbers"
    primary_keys = ("n",)
    replication_key = "at"
    schema = th.PropertiesList(
        th.Property("n", th.IntegerType, required=True), th.Property("at", th.DateTimeType)
    ).to_dict()

    def get_records(self, context):
        """All of them."""
        for n in range(self.config["count"]):
            if n == self.config.get("stop_at"):
                os.kill(os.getpid(), signal.SIGTERM)
            yield {"n": n, "at": (BEGAN + timedelta(seconds=n)).isoformat()}


class TapNumbers(Tap):
    """One stream."""

    name = "tap-numbers"
    config_jsonschema = th.PropertiesList(
        th.Property("count", th.IntegerType, required=True), th.Property("stop_at", th.IntegerType)
    ).to_dict()

    def discover_streams(self):
        return [Numbers(self)]


if __name__ == "__main__":
    sys.exit(TapNumbers.cli())
