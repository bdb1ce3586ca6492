"""What needs no site: times, queries, texts, rows, configuration, where a walk begins."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from etl_core.control.secret_fields import secret_fields
from etl_core.errors import BadRecord
from workers.connectors.jira.checkpoint import Bookmark, IssueResume, Resume
from workers.connectors.jira.config import JiraConfig
from workers.connectors.jira.documents import document_text
from workers.connectors.jira.moments import changed_since, epoch_ms
from workers.connectors.jira.rows import changelog_row, issue_row, user_row
from workers.connectors.jira.walk import begin, site_fields

TOKEN = {"type": "api_token", "email": "a@example.com", "api_token": "x"}
SITE = "https://acme.atlassian.net"


def config(**settings: Any) -> JiraConfig:
    return JiraConfig.model_validate({"site": SITE, "auth": TOKEN, **settings})


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("2024-11-29T16:04:51.000+0500", 1_732_878_291_000),
        ("2024-11-29T06:04:51.123-0500", 1_732_878_291_123),
        ("2024-11-29T11:04:51.123Z", 1_732_878_291_123),
        ("2024-11-29 11:04", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_a_time_carries_its_own_offset(written: Any, ms: int | None) -> None:
    assert epoch_ms(written) == ms


def test_queries_hold_epoch_milliseconds_and_an_order() -> None:
    assert changed_since(5, before=9, projects=[2, 1]) == (
        "updated >= 5 AND updated < 9 AND project in (1, 2) ORDER BY updated ASC, key ASC"
    )
    assert changed_since(0) == "updated >= 0 ORDER BY updated ASC, key ASC"


def test_the_text_of_a_document() -> None:
    def paragraph(*content: dict[str, Any]) -> dict[str, Any]:
        return {"type": "paragraph", "content": list(content)}

    def words(text: str) -> dict[str, Any]:
        return {"type": "text", "text": text, "marks": [{"type": "strong"}]}

    mention = {"type": "mention", "attrs": {"id": "1", "text": "@Ada"}}
    items = [{"type": "listItem", "content": [paragraph(words(each))]} for each in ("one", "two")]
    document = {
        "type": "doc",
        "version": 1,
        "content": [
            paragraph(words("Ask "), mention, {"type": "hardBreak"}, words("today")),
            {"type": "bulletList", "content": items},
            {"type": "codeBlock", "content": [words("x = 1\ny = 2")]},
        ],
    }
    assert document_text(document) == "Ask @Ada\ntoday\none\ntwo\nx = 1\ny = 2"
    assert document_text("plain") == "plain"
    assert document_text(None) is None
    assert document_text({"type": "doc", "content": "nonsense"}) == ""


def test_a_document_without_end_is_cut() -> None:
    deep: dict[str, Any] = {"type": "text", "text": "x"}
    for _ in range(5_000):
        deep = {"type": "panel", "content": [deep]}
    assert document_text(deep) == ""


def test_a_row_of_a_census_says_only_that_it_is_there() -> None:
    assert issue_row({"id": "7"}) == {"id": "7"}


def test_an_issue_that_is_none_is_refused() -> None:
    with pytest.raises(BadRecord, match="without fields"):
        issue_row({"id": "7", "key": "A-1", "fields": None})


def test_a_hidden_email_is_left_out() -> None:
    assert "email" not in user_row({"accountId": "5", "displayName": "Ada"})
    assert user_row({"key": "JIRAUSER1", "name": "ada", "emailAddress": "a@b.c"})["email"] == "a@b.c"


def test_bulk_changelogs_may_write_epoch_milliseconds() -> None:
    row = changelog_row({"id": "1", "issue_id": "2", "created": 1_732_878_291_000})
    assert epoch_ms(row["created_at"]) == 1_732_878_291_000


def test_the_fields_of_the_site() -> None:
    fields = site_fields(
        [
            {"id": "customfield_1", "schema": {"custom": "com.pyxis.greenhopper.jira:gh-sprint"}},
            {"id": "customfield_2", "name": "Story Points", "schema": {"type": "number"}},
            {"id": "customfield_3", "schema": {"custom": "com.pyxis.greenhopper.jira:jsw-story-points"}},
            {"id": "summary", "name": "Summary"},
        ]
    )
    assert (fields.sprint, fields.points) == (("customfield_1",), ("customfield_2", "customfield_3"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"site": "acme.atlassian.net"}, "whole address"),
        ({"site": None}, "address of your Jira"),
        ({"streams": ["comments"]}, "name issues among the streams"),
        ({"streams": ["isues"]}, "streams"),
        ({"projects": ["A B"]}, "neither a project's key nor a pattern"),
        ({"auth": {"type": "personal_token", "token": "x"}, "cloud_id": "12345678"}, "of Data Center"),
        ({"auth": {**TOKEN, "api_tokn": "x"}}, "api_tokn"),
        ({"overlap_minutes": 0}, "overlap_minutes"),
    ],
)
def test_what_a_configuration_cannot_be(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        config(**given)


def test_which_projects_are_wanted() -> None:
    chosen = config(projects=["OPS", "TEAM*"], exclude_projects=["TEAMX"])
    assert [key for key in ("OPS", "OPS2", "TEAMA", "TEAMX") if chosen.wants_project(key)] == ["OPS", "TEAMA"]
    assert config(exclude_projects=["A?"]).wants_project("ABC")


def test_secrets_are_known_as_such() -> None:
    assert secret_fields(JiraConfig) == {"auth.api_token", "auth.client_secret", "auth.token"}


class TestBegin:
    """Where a walk starts: pure."""

    MINUTE = 60_000
    MARK = Bookmark(
        updated=100 * MINUTE, projects=[1, 2], streams=["changelogs", "comments", "worklogs"], runs=3
    )

    def test_the_first_walk_reads_all(self) -> None:
        start = begin(config(), None, None, {1: "A"}, 7)
        assert (start.began, start.leg, start.after, start.census, start.projects) == (
            7,
            "rows",
            0,
            True,
            [1],
        )

    def test_later_ones_read_what_is_new_less_the_overlap(self) -> None:
        start = begin(config(overlap_minutes=5), self.MARK, None, {1: "A", 2: "B"}, 7)
        assert (start.cut, start.new, start.census) == (95 * self.MINUTE, [], False)

    def test_a_project_that_is_new_is_read_from_its_start(self) -> None:
        start = begin(config(), self.MARK, None, {2: "B", 3: "C"}, 7)
        assert (start.leg, start.after, start.new, start.projects) == ("new", 0, [3], [2, 3])

    def test_a_stream_that_is_new_reads_all_again(self) -> None:
        mark = self.MARK.model_copy(update={"streams": ["comments"]})
        assert begin(config(), mark, None, {1: "A"}, 7).leg == "rows"
        assert begin(config(streams=["issues", "comments"]), mark, None, {1: "A"}, 7).leg == "new"

    @pytest.mark.parametrize(("every", "census"), [(0, False), (3, True), (4, True), (5, False)])
    def test_a_census_comes_every_so_many_runs(self, every: int, census: bool) -> None:
        assert begin(config(census_every=every), self.MARK, None, {1: "A", 2: "B"}, 7).census is census

    def test_a_walk_that_broke_off_goes_on_without_projects_that_went(self) -> None:
        resume = IssueResume(
            leg="ids", after=5, cut=9, seen=7, began=6, census=True, new=[3], projects=[1, 3],
            streams=["changelogs", "comments", "worklogs"],
        )  # fmt: skip
        start = begin(config(), self.MARK, resume, {1: "A", 4: "D"}, 99)
        assert start == resume.model_copy(update={"new": [], "projects": [1]})
        assert Resume.model_validate(resume.model_dump()).model_dump() == resume.model_dump()
