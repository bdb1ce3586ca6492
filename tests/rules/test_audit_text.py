"""Every event can be read as a sentence, whatever stands in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.rules.audit_text import _SENTENCES, LONGEST, activity_sentence, event_sentence

PLAIN = st.sampled_from([None, True, 0, 15, -1, 2.5, "", "text", "in\ntwo lines", "x" * 500])
JSON = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.sampled_from(["a", "ids", "starts"]), PLAIN)
FIELDS = st.sampled_from(
    ("before", "after", "reason", "options", "place", "window", "integration", "stream", "version", "count")
)


@given(action=st.sampled_from([*_SENTENCES, "of_tomorrow"]), detail=st.dictionaries(FIELDS, JSON))
def test_no_detail_is_unreadable(action: str, detail: dict[str, Any]) -> None:
    """Of older and newer programs, and what somebody wrote by hand."""
    text = event_sentence(action, detail, run_id=7)
    assert text
    assert "\n" not in text
    assert len(text) <= LONGEST


@pytest.mark.parametrize(
    ("action", "detail", "run_id", "told"),
    [
        ("run_now", {"options": {}}, 5120, "ran it (run 5120)"),
        ("run_now", {"options": {"evolve": True}}, 1, "ran it, its tables may take new fields (run 1)"),
        ("run_now", {"options": {"replay_rejects": {"ids": [1, 2]}}}, 1, "replayed 2 rejects (run 1)"),
        (
            "settings",
            {"before": [60, 15], "after": [240, 15]},
            None,
            "changed the schedule from 1 hour to 4 hours",
        ),
        ("disable", {"reason": "too noisy"}, None, "switched it off: too noisy"),
        ("hold", {"reason": "token", "minutes": 120}, None, "held it for 2 hours: token"),
        (
            "clear",
            {"before": {"hold_reason": "token", "error_message": "timeout", "retry_count": 2}},
            None,
            "cleared the hold, the failure and 2 failures in a row",
        ),
        ("set_deadline", {"before": None, "after": 120}, None, "changed the deadline from none to 2 hours"),
        (
            "limit",
            {"place": "acme/jira", "before": 1, "after": 4},
            None,
            "let 4 runs go on at once on acme/jira (before: 1)",
        ),
        (
            "change_config",
            {"integration": "jira", "before": {"url": "a", "b": 1}, "after": {"url": "c", "b": 1}},
            None,
            "changed the configuration of jira: url",
        ),
        (
            "worker_lost",
            {"worker": "box:7", "batch": 3},
            9,
            "took over from worker box:7, which was lost with batch 3 in hand (run 9)",
        ),
        (
            "checkpoint_rewind",
            {"version": 19, "to": 15, "reason": "bad"},
            None,
            "rewound the checkpoint to v15 (v19): bad",
        ),
        ("of_tomorrow", {"reason": "new"}, None, "of tomorrow: new"),
    ],
)
def test_sentences(action: str, detail: dict[str, Any], run_id: int | None, told: str) -> None:
    assert event_sentence(action, detail, run_id=run_id) == told


@pytest.mark.parametrize(
    ("place", "sentence", "told"),
    [
        ("acme/orders", "held it: noisy", "ana held acme/orders: noisy"),
        ("acme/orders", "cleared the hold", "ana cleared the hold · acme/orders"),
        ("", "purged 3 dead messages", "ana purged 3 dead messages"),
    ],
)
def test_a_feed_names_who_and_where(place: str, sentence: str, told: str) -> None:
    assert activity_sentence("ana", place, sentence) == told
