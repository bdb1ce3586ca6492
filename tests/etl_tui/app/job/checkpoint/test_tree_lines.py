"""A checkpoint as lines: what is unfolded, found and said; however large, and whatever it is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from etl_core.rules.checkpoints.document import Document, PartitionValue, from_stored
from etl_core.rules.checkpoints.exact_json import Json
from etl_core.rules.checkpoints.paths import parse_path
from etl_tui.app.job.checkpoint.tree_lines import Folding, Kind, TreeIndex, TreeLine, tree_lines
from etl_tui.app.job.checkpoint.value_words import size_text, value_words

NOW = datetime(2026, 11, 24, 15, 13, tzinfo=UTC)


def _lines(document: Document, folding: Folding | None = None, needle: str = "") -> list[TreeLine]:
    return tree_lines(document, folding or Folding(), TreeIndex(document), needle)


def _many(count: int) -> Document:
    one = PartitionValue({"at": "2026-11-24T14:19:00Z"}, {"page": 7})
    return Document({"pulls": {f"octo/{number}": one for number in range(count)}})


def test_twenty_thousand_partitions_are_one_line_until_one_asks() -> None:
    document = _many(20_000)
    assert [line.label for line in _lines(document)] == ["pulls"]
    assert len(_lines(document, Folding(flipped={("pulls",): True}))) == 20_001
    every = Folding()
    every.set_every(True)
    assert len(_lines(document, every)) == 60_001
    found = _lines(document, needle="OCTO/777 ")
    assert [line.label for line in found] == ["pulls", "octo/777", "bookmark", "resume"]


def test_forty_streams_fold_and_a_single_partition_has_no_line_of_its_own() -> None:
    few = Document({f"s{n}": {"default": PartitionValue({"at": "2026"})} for n in range(3)})
    assert [line.kind for line in _lines(few)] == [Kind.STREAM, Kind.BOOKMARK] * 3
    many = Document({f"s{n}": {"default": PartitionValue({"at": "2026"})} for n in range(41)})
    assert len(_lines(many)) == 41


@pytest.mark.parametrize(
    ("stored", "labels"),
    [
        (None, []),
        ([1, {"a": None}], ["0", "1"]),
        ("text", ["document"]),
        (
            {"last_pr_cursor": "x", "repositories_processed": ["a"]},
            ["last_pr_cursor", "repositories_processed"],
        ),
        ({"streams": {"orders": {"": {}}}}, ["orders", ""]),
        (
            {"streams": {"orders": {"default": {"bookmark": [1, 2], "resume": {}}}}},
            ["orders", "bookmark", "resume"],
        ),
    ],
)
def test_whatever_is_stored_has_lines(stored: Json, labels: list[str]) -> None:
    assert [line.label for line in _lines(from_stored(stored))] == labels


def test_paths_are_those_that_a_repair_reads() -> None:
    value = PartitionValue({"at": [{"x.y": 1}]})
    every = Folding()
    every.set_every(True)
    lines = _lines(Document({'a"/b': {"octo/app": value, " ": value}}), every)
    for line in lines:
        if line.kind is not Kind.STREAM:
            path = parse_path(line.path)
            assert path.place == line.place
            assert (*path.place, *([path.part] if path.part else []), *path.steps) == line.key


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"at": "2026-11-24T14:19:00Z"}, "14:19  54m behind"),
        ({"at": "2026-11-24T16:19:00Z"}, "16:19  1h ahead"),
        ({"page": 413}, "page 413"),
        ({"page": 413, "of": [1, 2]}, "page 413 · of [2]"),
        ({"updated_at": 1764000000, "id": "7"}, "2025-11-24  364d behind · id 7"),
        ([1], "[1 value]"),
        ({}, "{}"),
        ("", '""'),
        (True, "true"),
    ],
)
def test_values_in_words(value: Json, told: str) -> None:
    assert value_words(value, NOW) == told


def test_sizes() -> None:
    assert [size_text(size) for size in (812, 12_300, 5_100_000)] == ["812 B", "12 kB", "5.1 MB"]
