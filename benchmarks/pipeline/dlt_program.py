"""dlt as its users run it, in a venv of its own: JSON lines into one table by key.

Told by BENCH_DLT, a JSON object: {url, file, dataset, stream, key, folder, strategy, file_format}. Prints the
seconds that `pipeline.run` took.
"""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

# Not `import`: where types are checked it is not installed.
dlt: Any = importlib.import_module("dlt")
dlt_json: Any = importlib.import_module("dlt.common.json").json
postgres: Any = importlib.import_module("dlt.destinations").postgres

PAGE = 5_000


def main() -> None:
    """One load."""
    told = json.loads(os.environ["BENCH_DLT"])

    def issues() -> Iterator[list[Any]]:
        with Path(told["file"]).open("rb") as file:
            lines = (line for line in file if not line.isspace())
            while page := [dlt_json.loadb(line) for line in islice(lines, PAGE)]:
                yield page

    pipeline = dlt.pipeline(
        "benchmark",
        pipelines_dir=told["folder"],
        destination=postgres(told["url"]),
        dataset_name=told["dataset"],
    )
    resource = dlt.resource(
        issues,
        name=told["stream"],
        primary_key=told["key"],
        write_disposition={"disposition": "merge", "strategy": told["strategy"]},
        # A column each, as everywhere else here, not tables of their own.
        columns={"labels": {"data_type": "json"}, "reactions": {"data_type": "json"}},
        file_format=told["file_format"],
    )
    begun = time.perf_counter()
    pipeline.run(resource).raise_on_failed_jobs()
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    main()
