"""What a run changed, in words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etl_core.rules.counts_text import rate_text, result_sentence
from tests.rules.job_rows import job_row

counts = st.one_of(st.none(), st.integers(0, 10**12))


def test_sentences_of_the_command_line() -> None:
    assert result_sentence(job_row(rows_new=28_298)) == "28,298 new"
    assert (
        result_sentence(job_row(rows_new=311, rows_changed=12, rows_rejected=3))
        == "311 new, 12 changed, 3 rejected"
    )
    assert result_sentence(job_row(rows_new=0, rows_unchanged=5)) == "unchanged"


@given(counts, counts, counts, counts, counts)
def test_it_always_says_something_and_never_zero(
    new: int | None, changed: int | None, unchanged: int | None, deleted: int | None, rejected: int | None
) -> None:
    sentence = result_sentence(
        job_row(
            rows_new=new,
            rows_changed=changed,
            rows_unchanged=unchanged,
            rows_deleted=deleted,
            rows_rejected=rejected,
        )
    )
    parts = sentence.split(", ")
    assert parts
    assert not any(part.startswith("0 ") for part in parts)
    assert ("unchanged" in parts) == (not (new or changed or deleted) and bool(unchanged or not rejected))


def test_rates_have_two_figures() -> None:
    assert rate_text(620_000, 500) == "1.2k/s"
    assert rate_text(3_400, 10) == "340/s"
    assert rate_text(1, 2) == "0.5/s"
    assert rate_text(10**9, 1) == "1G/s"
    assert rate_text(0, 10) == ""
    assert rate_text(10, 0) == ""


@given(st.integers(1, 10**12), st.floats(0.1, 10**6))
def test_a_rate_is_short(records: int, seconds: float) -> None:
    assert len(rate_text(records, seconds)) <= 7
