"""dlt's `rest_api` source as its users run it, in a venv of its own.

Told by BENCH_DLT, a JSON object: {url, api, path, dataset, stream, key, folder, strategy, file_format}.
Prints the seconds that `pipeline.run` took.
"""

from __future__ import annotations

import importlib
import json
import os
import time
from typing import Any

# Not `import`: where types are checked it is not installed.
dlt: Any = importlib.import_module("dlt")
rest_api: Any = importlib.import_module("dlt.sources.rest_api")
postgres: Any = importlib.import_module("dlt.destinations").postgres


def main() -> None:
    """One load."""
    told = json.loads(os.environ["BENCH_DLT"])
    pipeline = dlt.pipeline(
        "benchmark",
        pipelines_dir=told["folder"],
        destination=postgres(told["url"]),
        dataset_name=told["dataset"],
    )
    source = rest_api.rest_api_source(
        {
            "client": {
                "base_url": told["api"],
                "paginator": {"type": "json_link", "next_url_path": "next"},
            },
            "resources": [
                {
                    "name": told["stream"],
                    "primary_key": told["key"],
                    "write_disposition": {"disposition": "merge", "strategy": told["strategy"]},
                    "columns": {"labels": {"data_type": "json"}, "reactions": {"data_type": "json"}},
                    "file_format": told["file_format"],
                    "endpoint": {"path": told["path"], "data_selector": "data"},
                }
            ],
        }
    )
    begun = time.perf_counter()
    pipeline.run(source).raise_on_failed_jobs()
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    main()
