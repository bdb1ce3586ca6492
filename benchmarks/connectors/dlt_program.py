"""dlt's `rest_api` source as its users run it, in a venv of its own.

Told by BENCH_DLT, a JSON object: {url, dataset, stream, key, folder, strategy, file_format, json_columns}
of the table;
{api, token, paths, params, paginator, selector} of lists of one kind, which all go into it.
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
    client = {"base_url": told["api"], "paginator": told["paginator"]}
    if told["token"]:
        client["auth"] = {"type": "bearer", "token": told["token"]}
    source = rest_api.rest_api_source(
        {
            "client": client,
            "resources": [
                {
                    "name": f"{told['stream']}_{number}",
                    "table_name": told["stream"],
                    "primary_key": told["key"],
                    "write_disposition": {"disposition": "merge", "strategy": told["strategy"]},
                    "columns": {name: {"data_type": "json"} for name in told["json_columns"]},
                    "file_format": told["file_format"],
                    "endpoint": {"path": path, "data_selector": told["selector"], "params": told["params"]},
                }
                for number, path in enumerate(told["paths"])
            ],
        }
    )
    begun = time.perf_counter()
    pipeline.run(source).raise_on_failed_jobs()
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    main()
