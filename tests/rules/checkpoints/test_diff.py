"""Differences between documents: what differs, as people read it, and that it leads from one to the other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_core.rules.checkpoints.diff import Change, DoesNotFit, PartitionChange, diff, patch, raw_lines
from etl_core.rules.checkpoints.document import EMPTY, Document, PartitionValue, Place, from_json, from_places
from etl_core.rules.checkpoints.exact_json import dump, parse, parse_stored, same
from etl_core.rules.checkpoints.history import HistoryRow, as_changes, rebuild
from etl_core.rules.checkpoints.summaries import headline, summary
from tests.rules.checkpoints.documents import DOCUMENTS, JSON

APP, OLD = Place("pull_requests", "octo/app"), Place("pull_requests", "octo/old")


@given(JSON)
def test_a_value_survives_its_text(value: object) -> None:
    for read in (parse, parse_stored):
        back = read(dump(value))
        assert same(back, value)
        assert dump(back) == dump(value)  # to the digit, in the order of keys


def _is_bare(part: PartitionChange) -> bool:
    value = part.before or part.after
    return value is not None and value.bookmark is None and value.resume is None


@settings(max_examples=40)
@given(DOCUMENTS, DOCUMENTS)
def test_a_patch_leads_to_the_other_document(one: Document, other: Document) -> None:
    change = diff(one, other)
    assert patch(one, change).is_same(other)
    assert patch(other, diff(other, one)).is_same(one)
    assert change.is_empty is one.is_same(other)
    assert diff(one, one).is_empty
    told = [*(value for part in change.partitions for value in part.values()), *change.other_values()]
    # Only a partition without any value comes or goes without telling one.
    bare = any(_is_bare(part) for part in change.partitions)
    assert told or change.is_empty or bare
    for part in change.partitions:
        assert summary(part)
    assert (headline(change) == "nothing changed") is change.is_empty
    list(raw_lines(one, other))


@settings(max_examples=40)
@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_a_patch_for_another_document_is_refused(one: Document, other: Document, third: Document) -> None:
    change = diff(one, other)
    try:
        result = patch(third, change)
    except DoesNotFit:
        return
    touched = {part.place for part in change.partitions}
    for place, value in third.items():
        if place not in touched:
            assert result.find(place) is value  # a change made elsewhere meanwhile stays


@settings(max_examples=40)
@given(DOCUMENTS)
def test_a_document_survives_its_json(document: Document) -> None:
    assert from_json(parse(dump(document.as_json(version=7)))).is_same(document)


def test_true_is_not_one_and_one_is_one_point_zero() -> None:
    assert not same({"a": [True]}, {"a": [1]})
    assert same(parse("1.0"), 1)
    assert (
        diff(
            from_json(parse('{"streams":{"s":{"p":{"bookmark":{"on":true}}}}}')),
            from_json(parse('{"streams":{"s":{"p":{"bookmark":{"on":1}}}}}')),
        ).count(Change.CHANGED)
        == 1
    )


def test_values_are_told_by_their_paths() -> None:
    before = PartitionValue({"updated_at": "2026-05-01T00:00:00Z", "children": ["reviews"]}, {"cursor": "a"})
    after = PartitionValue({"updated_at": "2026-05-01T03:00:00Z", "children": ["reviews", "files"]})
    (change,) = diff(from_places({APP: before}), from_places({APP: after})).partitions
    assert [(one.path, one.change.value) for one in change.values()] == [
        ("pull_requests/octo/app.bookmark.updated_at", "changed"),
        ("pull_requests/octo/app.bookmark.children[1]", "new"),
        ("pull_requests/octo/app.resume", "gone"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            '{"updated_at": "2026-05-01T00:00:00Z", "count": 10}',
            '{"updated_at": "2026-05-01T03:00:00Z", "count": 422}',
            "bookmark +3 h, 412 pull requests",
        ),
        ('{"updated": 1780000000000}', '{"updated": 1779990000000}', "bookmark -2 h 46 min"),
        ('{"through": 7, "generation": 0}', '{"through": 12, "generation": 0}', "bookmark through +5"),
        ('{"sha": "aaaa"}', '{"sha": "bbbb"}', "bookmark sha aaaa → bbbb"),
        ('{"n": 9007199254740993}', '{"n": 9007199254740992}', "bookmark n -1"),
        ("5", "6", "bookmark changed"),
    ],
)
def test_a_change_in_words(before: str, after: str, words: str) -> None:
    sides = [from_places({APP: PartitionValue(parse(one))}) for one in (before, after)]
    assert summary(diff(*sides).partitions[0]) == words


def test_what_comes_and_goes_in_words() -> None:
    there = from_places({OLD: PartitionValue({"updated_at": "2026-05-01"})})
    assert [summary(one) for one in diff(there, EMPTY).partitions] == ["gone"]
    assert [summary(one) for one in diff(EMPTY, there).partitions] == ["new, at 2026-05-01 00:00 UTC"]
    assert headline(diff(there, EMPTY)) == "1 gone"
    assert headline(diff(there, Document(other=[1]))) == "older document new, 1 gone"


# -- histories


@settings(max_examples=40)
@given(st.lists(DOCUMENTS, min_size=1, max_size=6), st.data())
def test_any_version_is_built_again(documents: list[Document], data: st.DataObject) -> None:
    rows = history_of(documents)
    whole = data.draw(st.sets(st.integers(1, len(documents))))
    rows = [
        HistoryRow(
            row.version, row.changes, as_changes(documents[row.version - 1]) if row.version in whole else None
        )
        for row in rows
    ]
    version = data.draw(st.integers(1, len(documents)))
    # From any whole version on, or from the first.
    begin = data.draw(st.sampled_from([1, *(number for number in whole if number <= version)]))
    assert rebuild(rows[begin - 1 : version]).is_same(documents[version - 1])


def history_of(documents: list[Document]) -> list[HistoryRow]:
    """As the database cuts versions."""
    rows, before = [], EMPTY
    for version, document in enumerate(documents, start=1):
        change = diff(before, document)
        if document.other is not None or (before.other is not None and document.is_empty):
            changes = [{"document": document.other}]
        else:
            changes = [
                {
                    "stream": one.place.stream,
                    "partition": one.place.partition,
                    **({"gone": True} if one.after is None else one.after.as_json()),
                }
                for one in change.partitions
            ]
        rows.append(HistoryRow(version, parse_stored(dump(changes))))
        before = document
    return rows
