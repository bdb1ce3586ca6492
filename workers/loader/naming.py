"""From the names of sources to identifiers of the destination: pure rules.

A folded name is lower-case ASCII letters, digits and `_`, does not begin with a digit, and has at most 63
bytes (PostgreSQL cuts longer ones off in silence, and then two become one). Reserved words are fine: every
identifier is quoted wherever it is used.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from etl_core.errors import Permanent

MAX_BYTES: Final = 63
METADATA: Final = ("_extracted_at", "_loaded_at", "_run_id", "_deleted_at", "_row_id")
"""Our own columns in every destination table (`_row_id` only where there is no key)."""
SYSTEM_COLUMNS: Final = ("ctid", "xmin", "cmin", "xmax", "cmax", "tableoid")
_OTHER = re.compile(r"[^a-z0-9_]")


def fold(name: str) -> str:
    """`PullRequest #` becomes `pullrequest__`; what would be too long or empty ends in a hash of the whole
    name."""
    folded = _OTHER.sub("_", name.lower())
    if not folded.strip("_"):
        return with_hash("x", name)
    if folded[0].isdigit():
        folded = f"_{folded}"
    return folded if len(folded) <= MAX_BYTES else with_hash(folded, name)


def with_hash(folded: str, name: str) -> str:
    """`folded`, made unique by 8 hexadecimal digits of the original name, within 63 bytes."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{folded[: MAX_BYTES - 9]}_{digest}"


def assign(names: Iterable[str], known: Mapping[str, str], reserved: Collection[str] = ()) -> dict[str, str]:
    """Original name -> identifier, no identifier twice.

    What is `known` stays as it is. Where several new names fold to one, the one that is already so spelt
    keeps it and the others get a hash of theirs, so the answer does not depend on the order of the names.
    """
    new = sorted({name for name in names if name not in known})
    folded = {name: fold(name) for name in new}
    wanted: dict[str, int] = {}
    for identifier in folded.values():
        wanted[identifier] = wanted.get(identifier, 0) + 1
    taken = {*known.values(), *reserved}
    assigned = dict(known)
    for name in sorted(new, key=lambda name: (folded[name] != name, name)):
        identifier = folded[name]
        if identifier in taken or (wanted[identifier] > 1 and identifier != name):
            identifier = with_hash(identifier, name)
        taken.add(identifier)
        assigned[name] = identifier
    return assigned


def schema_name(tenant: str, integration: str, named: str | None) -> str:
    """The destination schema: the one the integration names, as it is written, else `<tenant>_<integration>`.

    Raises:
        Permanent: the named one cannot be a schema of ours.
    """
    if named is None:
        folded = fold(f"{tenant}_{integration}")
        return with_hash(f"t_{folded}", folded) if folded.startswith("pg_") else folded
    if not named or "\x00" in named or len(named.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise Permanent(f"destination schema {named!r}: a schema name has 1 to {MAX_BYTES} bytes")
    if named.startswith("pg_") or named == "information_schema":
        raise Permanent(f"destination schema {named} is PostgreSQL's own: give the integration another one")
    return named
