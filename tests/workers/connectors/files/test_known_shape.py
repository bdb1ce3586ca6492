"""A line that is passed over adds nothing: what is learned with shapes is what is learned without."""

from __future__ import annotations

import json
import threading
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.connector import ColumnType
from workers.connectors.files.config import FilesConfig
from workers.connectors.files.formats import learning
from workers.connectors.files.formats.opening import open_rows
from workers.connectors.files.places.local import LocalCopy
from workers.connectors.files.reading import open_file

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(2**63 - 2, 2**64 + 2),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3),
    st.sampled_from(
        [
            "2024-05-01",
            "2024-13-01",
            "2024-05-01T12:00:00Z",
            "2024-05-01T25:00:00Z",
            "2024-05-01t12:00:00z",
            "6F9619FF-8B86-D011-B42D-00CF4FC964FF",
            "a\x00b",
        ]
    ),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)
RECORDS = st.dictionaries(st.sampled_from(["id", "a", "b", "no identifier"]), VALUES, max_size=4)
COMMON = st.sampled_from([{"id": 1, "a": "x"}, {"id": 2, "a": "y", "b": 2.5}, {"id": 3, "a": None, "b": 1}])


@given(
    lines=st.lists(st.one_of(COMMON, COMMON, RECORDS), max_size=12),
    declared=st.sampled_from([{}, {"a": "text"}, {"id": "text", "b": "jsonb"}]),
)
def test_the_same_is_learned(
    tmp_path_factory: pytest.TempPathFactory, lines: list[dict[str, Any]], declared: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("lines") / "x.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "{torn\n[1]\n\n")
    with pytest.MonkeyPatch.context() as patch:
        with_shapes = learn(path, declared)
        patch.setattr(learning, "MOST_SHAPES", 0)
        assert with_shapes == learn(path, declared)


def learn(path: Path, declared: dict[str, str]) -> Any:
    config = FilesConfig.model_validate(
        {"path": str(path), "format": "jsonl", "key": ["id"], "columns": declared}
    )
    return open_rows(_source(path), config, "x.jsonl").learn()


def _source(path: Path) -> Any:
    return open_file(LocalCopy(str(path)), "x.jsonl", "utf-8", threading.Event(), blake2b())


def test_most_lines_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps({"id": n, "at": "2024-05-01T12:00:00Z"}) + "\n" for n in range(500)))
    looked_into = 0
    learn_object = learning._learn_object

    def count(*arguments: Any) -> None:
        nonlocal looked_into
        looked_into += 1
        learn_object(*arguments)

    monkeypatch.setattr(learning, "_learn_object", count)
    learned = learn(path, {})
    assert (learned.records, looked_into) == (500, 2)
    assert learned.columns == {"id": ColumnType.BIGINT, "at": ColumnType.TIMESTAMPTZ}
