"""What repairs lead to: what they are about changes, everything else is the very same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_core.rules.checkpoints.document import EMPTY, Document, PartitionValue, Place, from_places
from etl_core.rules.checkpoints.exact_json import BadJson, parse, same
from etl_core.rules.checkpoints.paths import ValuePath, parse_path
from etl_core.rules.checkpoints.repairs import (
    CannotRepair,
    Clear,
    DropResume,
    EditValue,
    NoSuchPlace,
    RemoveValue,
    Rewind,
    Scope,
    outcome,
)
from tests.rules.checkpoints.documents import DOCUMENTS, JSON, PLACES, WITH_STREAMS

STEPS = st.lists(
    st.text(st.characters(blacklist_categories=["Cs"]), max_size=5) | st.integers(0, 999), max_size=4
).map(tuple)
NAMES = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["a.bookmark", "x.resume[0]", '"', " ", "octo/app", ".bookmark.", "a b"]
)
SCOPES = st.builds(
    Scope,
    st.none() | st.sampled_from(["orders", "a/b", "s"]),
    st.none() | st.sampled_from(["default", "octo/app", "x.bookmark"]),
)


@given(NAMES, NAMES, st.sampled_from([None, "bookmark", "resume"]), STEPS)
def test_a_path_is_read_as_it_was_written(
    stream: str, partition: str, part: str | None, steps: tuple[str | int, ...]
) -> None:
    path = ValuePath(Place(stream, partition), part, steps if part else ())
    assert parse_path(str(path)) == path


@pytest.mark.parametrize("text", ["", "orders", "/default", "a/b.bookmark.", "a/b.bookmark[x]", 'o"/d'])
def test_what_is_no_path_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="no path in a checkpoint"):
        parse_path(text)


@settings(max_examples=40)
@given(WITH_STREAMS, PLACES, JSON)
def test_an_edit_leaves_all_else_identical(document: Document, place: Place, value: object) -> None:
    after = outcome(document, EditValue(ValuePath(place, "bookmark"), value))
    for other, was in document.items():
        if other != place:
            assert after.find(other) is was
    edited, was_there = after.find(place), document.find(place)
    assert edited is not None
    assert same(edited.bookmark, value)
    assert same(edited.resume, was_there.resume if was_there else None)


@settings(max_examples=40)
@given(DOCUMENTS, DOCUMENTS, SCOPES)
def test_a_rewind_brings_back_its_scope_and_nothing_else(now: Document, past: Document, scope: Scope) -> None:
    try:
        after = outcome(now, Rewind(1, scope), past)
    except (NoSuchPlace, CannotRepair):
        assert not scope.is_all
        return
    if scope.is_all:
        assert after.is_same(past)
        return
    places = {place for one in (now, past, after) for place, _ in one.items()}
    for place in places:
        expected = (past if scope.covers(place) else now).find(place)
        assert after.find(place) is expected


@settings(max_examples=40)
@given(WITH_STREAMS, SCOPES)
def test_dropping_resume_keeps_bookmarks_and_clearing_nothing(document: Document, scope: Scope) -> None:
    try:
        dropped, cleared = outcome(document, DropResume(scope)), outcome(document, Clear(scope))
    except NoSuchPlace:
        assert not any(scope.covers(place) for place, _ in document.items())
        return
    for place, value in document.items():
        after = dropped.find(place)
        assert after is not None
        if scope.covers(place):
            assert (after.bookmark, after.resume) == (value.bookmark, None)
            assert cleared.find(place) is None
        else:
            assert after is cleared.find(place) is value


def test_a_value_deep_inside_is_edited_and_removed() -> None:
    app = Place("s", "octo/app")
    document = from_places({app: PartitionValue({"a": {"b": [1, {"c": 2}]}, "keep": 2**60}, None, 3)})
    edited = outcome(document, EditValue(parse_path("s/octo/app.bookmark.a.b[1].c"), "new"))
    assert edited.find(app) == PartitionValue({"a": {"b": [1, {"c": "new"}]}, "keep": 2**60}, None, 3)
    removed = outcome(edited, RemoveValue(parse_path("s/octo/app.bookmark.a.b[0]")))
    assert removed.find(app) == PartitionValue({"a": {"b": [{"c": "new"}]}, "keep": 2**60}, None, 3)
    assert outcome(document, RemoveValue(parse_path("s/octo/app"))) == EMPTY
    whole = outcome(document, EditValue(parse_path("s/octo/app"), {"bookmark": {"n": 1}}))
    assert whole.find(app) == PartitionValue({"n": 1}, None, 3)  # in the form in which it was shown
    for path in (
        "s/octo/app.bookmark.x.y",
        "s/octo/app.bookmark.a.b[7]",
        "s/octo/app.resume.x",
        "s/no.bookmark.x",
    ):
        with pytest.raises(NoSuchPlace):
            outcome(document, EditValue(parse_path(path), 1))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1,}', "line 1, column 9"),
        ('{\n  "a": tru\n}', "line 2, column 8"),
        ("", "line 1, column 1"),
        ('{"a": "x\\u0000"}', "a holds a NUL"),
        ('{"a": ["\\ud800"]}', "surrogate"),
        ('{"a": NaN}', "NaN"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"a": ' + "1" * 5000 + "}", "5,000 digits"),
        ('{"a": 1e400}', "larger or smaller than a double"),
        ("[" * 101 + "]" * 101, "100 levels"),
        ("[" * 20_000, "100 levels"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(BadJson, match=words):
        parse(text)
