"""Checkpoint documents for property tests: values that hurt, and few names, so that they meet."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from etl_core.rules.checkpoints.document import Document, PartitionValue, Place, from_places

TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=6)
EXACT = (0, 1, 2**53 + 1, -(2**80), Decimal("0.1000000000000000055"), Decimal("1.10"), Decimal("1E+30"))
SCALARS = st.none() | st.booleans() | st.sampled_from(EXACT) | st.integers() | TEXTS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
# Drawn from few: documents are drawn by the dozen, and must differ in little.
VALUES = st.sampled_from(
    [
        *({"n": number} for number in EXACT),
        {"n": True},
        {"at": "2026-05-01T00:00:00Z", "n": 1},
        {"at": "2026-05-01T03:00:00Z", "n": None},
        {"a.b": [1, {"é": []}], "": {}},
        {},
        [],
        "\u202e\x1b[31m",
        5,
    ]
)
PARTITIONS = st.builds(PartitionValue, st.none() | VALUES, st.none() | VALUES, st.sampled_from([1, 1, 3]))
PLACES = st.builds(
    Place, st.sampled_from(["orders", "a/b", "s"]), st.sampled_from(["default", "octo/app", "x.bookmark"])
)
WITH_STREAMS = st.dictionaries(PLACES, PARTITIONS, max_size=5).map(
    lambda values: from_places(dict(sorted(values.items())))
)
LEGACY = st.sampled_from(
    [
        {"last_pr_cursor": "a", "batch_number": 3},
        {"last_pr_cursor": "b", "batch_number": 3},
        [1, None],
        True,
        7,
    ]
).map(lambda value: Document(other=value))
DOCUMENTS = WITH_STREAMS | LEGACY
