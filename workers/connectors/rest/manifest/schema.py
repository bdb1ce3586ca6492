"""`python -m workers.connectors.rest.manifest.schema`: the manifest's JSON Schema, for editors.

Written to docs/rest-manifest.schema.json; a test holds that the file is current. A manifest names it in its
first line, `# yaml-language-server: $schema=...`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from workers.connectors.rest.manifest.model import Manifest

SCHEMA = Path(__file__).parents[4] / "docs" / "rest-manifest.schema.json"


def render() -> str:
    """The file's text."""
    schema = Manifest.model_json_schema()
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Manifest of a REST API for etl-tui",
        **{name: value for name, value in schema.items() if name != "title"},
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Writes it."""
    SCHEMA.write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
