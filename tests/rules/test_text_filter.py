"""What is typed after `/` beside the jobs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_core.rules.text_filter import parse_text_filter

FIELDS = {"host": "Alpha Box", "state": "alive"}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("alpha", True),
        ("ALPHA alive", True),
        ("alpha lost", False),
        ("host:box", True),
        ("state:box", False),
        ('host:"alpha box"', True),
        ('"alpha  box"', False),
        ("-lost", True),
        ("-state:alive", False),
        ("pid:1", False),
        ("-", True),
        ("host:", True),
    ],
)
def test_every_term_must_hold(text: str, holds: bool) -> None:
    assert parse_text_filter(text).matches(FIELDS) is holds


@settings(max_examples=50)
@given(st.text(max_size=40), st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3))
def test_whatever_is_typed_is_understood_somehow(text: str, fields: dict[str, str]) -> None:
    parse_text_filter(text).matches(fields)


@settings(max_examples=50)
@given(st.text(st.characters(whitelist_categories=["L", "N"]), min_size=1, max_size=20))
def test_a_word_and_its_opposite_part_all_rows(word: str) -> None:
    for value in (word, "", f"x{word}y"):
        fields = {"a": value}
        assert parse_text_filter(word).matches(fields) is not parse_text_filter(f"-{word}").matches(fields)
