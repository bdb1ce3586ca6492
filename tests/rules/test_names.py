"""Names of tenants and integrations."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.rules.names import LONGEST_NAME, clean_name


@given(st.text())
def test_what_is_accepted_is_clean_and_stays_so(text: str) -> None:
    try:
        name = clean_name(text, "tenant")
    except ValueError as error:
        assert "\n" not in str(error)
        return
    assert name == name.strip() == unicodedata.normalize("NFC", name) == clean_name(name, "tenant")
    assert 0 < len(name) <= LONGEST_NAME
    assert name.isprintable()
    assert "/" not in name


@pytest.mark.parametrize("text", ["", "  ", "a/b", "a\nb", "a\x1b[2J", "a" * (LONGEST_NAME + 1), "\u202ea"])
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match="tenant"):
        clean_name(text, "tenant")


def test_trimmed_and_composed() -> None:
    assert clean_name("  Cafe\u0301 ", "tenant") == "Café"
    assert clean_name("日本 & co.", "tenant") == "日本 & co."
