"""The filter language: what each term means, what is refused in which words, how a term may go on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.errors import InvalidInput
from etl_core.models.job import JobRow
from etl_core.rules.job_filter import completions, parse_filter
from tests.rules.job_rows import NOW, ago, coming, job_row

JOBS = [
    job_row(id=1, job_name="confluence", tenant="acme", integration="wiki", integration_type="jira"),
    job_row(
        id=2,
        job_name="payments",
        tenant="acme",
        status="FAILED",
        error_message="Timeout after 30 s: rate limit",
        error_kind="TRANSIENT",
        retry_count=2,
        due_at=coming(minutes=12),
        last_success_at=ago(days=3),
    ),
    job_row(id=3, job_name="GitHub issues", tenant="globex", integration=None, due_at=ago(minutes=90)),
    job_row(id=4, job_name="sap", tenant="initech", active=False, due_at=None, schedule_interval_minutes=720),
    job_row(id=5, job_name="new", tenant="acme-eu", held=True, last_success_at=None, rows_extracted=12_000),
    job_row(id=6, job_name="long", status="RUNNING", run_wait_reason="limit → 15:04", due_at=ago(hours=2)),
]


def ids(text: str) -> list[int]:
    found = parse_filter(text)
    return [job.id for job in JOBS if found.matches(job, NOW)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [1, 2, 3, 4, 5, 6]),
        ("github", [3]),
        ("ACME/", [1, 2, 6]),
        ("wiki", [1]),
        ("jira", [1]),
        ("failed", [2]),
        ("-failed -running", [1, 3, 4, 5]),
        ("status:failed,off", [2, 4]),
        ("held", [5]),
        ("overdue", [3]),
        ("waiting", [6]),
        ("late>1h", [3]),
        ("late>2h", []),
        ("late<=90", [3]),
        ("tenant:acme", [1, 2, 6]),
        ("tenant:acme*", [1, 2, 5, 6]),
        ('job:"github issues"', [3]),
        ("job:?ap", [4]),
        ('error~"rate limit"', [2]),
        ("kind:transient", [2]),
        ("retries>1", [2]),
        ("every>=12h", [4]),
        ("every:12h", [4]),
        ("success>2days", [2, 5]),
        ("rows>10000", [5]),
        ("tenant:acme* -wiki -running failed", [2]),
        ("note~limit", [6]),
        ("http://nowhere", []),
    ],
)
def test_what_a_filter_means(text: str, expected: list[int]) -> None:
    if text == "http://nowhere":
        with pytest.raises(InvalidInput, match="there is no http"):
            parse_filter(text)
        text = '"http://nowhere"'
    assert ids(text) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("status:broken", "status:broken: write ready, running"),
        ("owner:ana", "there is no owner: write status, tenant, job"),
        ("late>soon", "'soon' is not an interval: write 90m"),
        ("rows>many", "'many' is not a number: write 10"),
        ("late~1h", "late is a number: write late>1h"),
        ("tenant>a", "tenant is a text: write tenant:VALUE or tenant~TEXT"),
        ("tenant:", "a value is missing"),
        ("failed -", "a lone - turns nothing round"),
    ],
)
def test_what_is_not_understood_says_what_is(text: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_filter(text)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        ("fa", ["failed"]),
        ("failed ov", ["failed overdue"]),
        ("-fi", ["-finished"]),
        ("ten", ["tenant:"]),
        ("tenant:ac", ["tenant:acme", "tenant:acme-eu"]),
        ("status:failed,he", ["status:failed,held"]),
        ("job:gi", ['job:"GitHub issues"']),
        ("", []),
        ("failed", []),
    ],
)
def test_how_a_term_may_go_on(text: str, ways: list[str]) -> None:
    assert completions(text, JOBS) == ways


TERMS = st.lists(
    st.sampled_from(
        [
            "failed",
            "-held",
            "tenant:acme*",
            "late>1h",
            "error~time",
            "-rows<5",
            "git",
            'job:"a b"',
        ]
    ),
    max_size=5,
)


@given(TERMS, st.text(max_size=12))
def test_terms_hold_together_and_nothing_ends_in_another_error(terms: list[str], typed: str) -> None:
    whole = parse_filter(" ".join(terms))
    for job in JOBS:
        assert whole.matches(job, NOW) == all(parse_filter(term).matches(job, NOW) for term in terms)
    try:
        parse_filter(typed).matches(JOBS[0], NOW)
    except InvalidInput as refused:
        assert str(refused)
    completions(typed, JOBS)


def test_jobs_without_a_past_are_no_error() -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        (
            "due_at",
            "last_run_finished_at",
            "last_success_at",
            "error_message",
            "rows_extracted",
            "integration",
        )
    )
    bare: JobRow = job_row(**nothing)
    assert [parse_filter(text).matches(bare, NOW) for text in ("age>1h", "late>1", "rows>0", "error~x")] == [
        True,
        False,
        False,
        False,
    ]
