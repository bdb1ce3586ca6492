"""What a tenant, an integration or a job may be called. Pure functions."""

from __future__ import annotations

import unicodedata

LONGEST_NAME = 200
"""Characters."""


def clean_name(text: str, what: str) -> str:
    """The name as it is stored: trimmed, in Unicode's composed form, so that what looks alike is alike.

    `/` is what parts tenant and job where both are written (`acme/github`), so no name holds one.

    Raises:
        ValueError: one sentence that says what a name may hold; `what` names the thing (`tenant`).
    """
    name = unicodedata.normalize("NFC", text).strip()
    if not name:
        raise ValueError(f"a {what} needs a name")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"this {what} name has {len(name):,} characters; {LONGEST_NAME} are allowed")
    if "/" in name:
        raise ValueError(f"{what} name {name!r}: '/' parts tenant and job, so a name cannot hold one")
    if not name.isprintable():
        raise ValueError(f"{what} name {name!r}: only printable characters are allowed")
    return name
