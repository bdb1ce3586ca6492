"""Reads the key of an endpoint where it is needed; the database holds a reference to it only."""

from __future__ import annotations

import os
from pathlib import Path

from etl_core.errors import Unauthorised
from etl_core.rules.secrets import parse_reference


def read_api_key(reference: str | None) -> str | None:
    """What `env:NAME` or `file:/path` leads to on this machine; None for None.

    Raises:
        Unauthorised: it leads nowhere; the message names it, never a value.
    """
    if reference is None:
        return None
    parsed = parse_reference(reference)
    if parsed is None or parsed.kind not in ("env", "file"):
        raise Unauthorised("the key of the embedding endpoint is no reference: give env:NAME or file:/path")
    named = f"key of the embedding endpoint, {parsed.kind}:{parsed.target}"
    if parsed.kind == "env":
        if not os.environ.get(parsed.target):
            raise Unauthorised(f"{named}: this variable is not set where this program runs")
        return os.environ[parsed.target]
    try:
        return Path(parsed.target).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unauthorised(f"{named}: it cannot be read here ({type(error).__name__})") from None
