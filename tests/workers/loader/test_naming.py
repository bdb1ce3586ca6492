"""Names of sources become identifiers: safe, short, stable, never two the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.errors import Permanent
from workers.loader.naming import METADATA, SYSTEM_COLUMNS, assign, fold, schema_name

NAMES = st.text(st.characters(codec=None, exclude_categories=())) | st.text("aA_ -1é", max_size=5)


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("createdAt", "createdat"),
        ('a"b; DROP', "a_b__drop"),
        ("2fa", "_2fa"),
        ("select", "select"),
        ("größe", "gr__e"),
    ],
)
def test_fold(name: str, folded: str) -> None:
    assert fold(name) == folded


@pytest.mark.parametrize("name", ["", "名前", "--", "___"])
def test_a_name_without_any_letter_is_its_hash(name: str) -> None:
    assert re.fullmatch(r"x_[0-9a-f]{8}", fold(name))


@given(st.lists(NAMES, max_size=12), st.randoms())
def test_assigned_names_are_safe_distinct_and_do_not_depend_on_order(
    names: list[str], random: object
) -> None:
    reserved = (*METADATA, *SYSTEM_COLUMNS)
    assigned = assign(names, {}, reserved)
    assert set(assigned) == set(names)
    assert len(set(assigned.values())) == len(assigned)
    assert all(re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", identifier) for identifier in assigned.values())
    assert not set(assigned.values()) & set(reserved)
    assert assign(list(reversed(names)), {}, reserved) == assigned


@given(st.lists(NAMES, max_size=8), st.lists(NAMES, max_size=8))
def test_what_was_assigned_stays(earlier: list[str], later: list[str]) -> None:
    known = assign(earlier, {})
    assigned = assign([*later, *earlier], known)
    assert known.items() <= assigned.items()
    assert len(set(assigned.values())) == len(assigned)


def test_who_is_already_so_spelt_keeps_the_name() -> None:
    assigned = assign(["Name", "name", "NAME"], {})
    assert assigned["name"] == "name"
    assert re.fullmatch(r"name_[0-9a-f]{8}", assigned["Name"])


def test_long_names_that_begin_alike_stay_apart() -> None:
    a, b = "x" * 100 + "a", "x" * 100 + "b"
    assert fold(a) != fold(b)
    assert len(fold(a)) == 63


def test_schema_names() -> None:
    assert schema_name("Acme Inc", "github", None) == "acme_inc_github"
    assert schema_name("acme", "github", "Raw Data") == "Raw Data"
    assert schema_name("pg", "x", None).startswith("t_pg_x_")
    for bad in ("", "pg_x", "information_schema", "x" * 64, "a\x00"):
        with pytest.raises(Permanent, match="schema"):
            schema_name("acme", "github", bad)
