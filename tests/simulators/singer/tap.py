#!{python} -IS
"""A Singer tap without the SDK: sends what is new in a file, or just the lines that its config holds."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

# It imports little, for it is started often.
# ruff: noqa: PTH110, PTH123
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


SCHEMA = {
    "properties": {
        "id": {"type": "string"},
        "number": {"type": ["integer", "null"]},
        "at": {"type": ["string", "null"], "format": "date-time"},
    }
}


def main() -> int:
    """Does as its config says; the exit code."""
    given = dict(zip(sys.argv, sys.argv[1:], strict=False))
    config = read(given["--config"])
    state = read(given["--state"]) if "--state" in given else None
    if os.path.exists(config.get("hang", "")):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    if "renew" in config:
        write(given["--config"], {**config, "token": config["token"] + config["renew"]})
    print("token", config.get("token", ""), file=sys.stderr)
    if "--discover" in sys.argv:
        send(discovered(config))
        return 0
    if "seen" in config:
        seen = {"state": state, "catalog": read(given["--catalog"]), "argv": sys.argv}
        write(config["seen"], {**seen, "token": config.get("token")})
    if "replay" in config:
        for line in config["replay"]:
            sys.stdout.write(line + "\n") if isinstance(line, str) else send(line)
        return int(config.get("code", 0))
    sync(config, state or {"bookmarks": {}})
    return 0


def discovered(config: dict[str, Any]) -> dict[str, Any]:
    """A catalog of the streams that the config names, all alike."""
    about = {"breadcrumb": [], "metadata": {"replication-key": "number"}}
    key = ["id"] if config.get("has_key", True) else []
    return {
        "streams": [
            {
                "tap_stream_id": name,
                "stream": name,
                "schema": SCHEMA,
                "key_properties": key,
                "metadata": [about],
            }
            for name in config.get("streams", ["items"])
        ]
    }


def sync(config: dict[str, Any], state: dict[str, Any]) -> None:
    """Records behind the bookmark, in their order, with a STATE behind every few."""
    done = state["bookmarks"].get("items", {}).get("number", 0)
    send({"type": "SCHEMA", "stream": "items", "schema": SCHEMA, "key_properties": ["id"]})
    since = 0
    with open(config["file"]) as items:
        for line in items:
            record = json.loads(line)
            if isinstance(record, dict) and record["number"] <= done:
                continue
            send({"type": "RECORD", "stream": "items", "record": record})
            if isinstance(record, dict):
                done = record["number"]
            since += 1
            if since == config["state_every"]:
                since = 0
                send({"type": "STATE", "value": {"bookmarks": {"items": {"number": done}}}})
    send({"type": "STATE", "value": {"bookmarks": {"items": {"number": done}}}})


def send(message: dict[str, Any]) -> None:
    """A line of output."""
    sys.stdout.write(json.dumps(message) + "\n")


def read(path: str) -> dict[str, Any]:
    """A JSON file."""
    with open(path) as file:
        found: dict[str, Any] = json.load(file)
    return found


def write(path: str, content: object) -> None:
    """A JSON file."""
    with open(path, "w") as file:
        json.dump(content, file)


sys.exit(main())
