"""What is nested in pull requests and issues: the beginning comes with them, the rest of long lists apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from etl_core.connector import Record
from workers.connectors.github import queries
from workers.connectors.github.answers import CursorRefused, NotThere
from workers.connectors.github.api import GitHub, next_cursor, nodes_of
from workers.connectors.github.page_size import PageSize

_MOST = 100
_TRIES = 3
"""A list that changes while it is read is read again so often."""

Node = Mapping[str, Any]


@dataclass
class Family:
    """Records by stream, and the parents whose children are all among them."""

    records: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    whole_of: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def count(self) -> int:
        return sum(len(records) for records in self.records.values())


class Children:
    """Completes the lists of what a page brought."""

    def __init__(self, api: GitHub, repository_id: str, wanted: Collection[str]) -> None:
        self._api = api
        self._repository = {"repository_id": repository_id}
        self._wanted = tuple(sorted(wanted))
        self._size = PageSize(_MOST)

    async def of_pull_requests(self, pulls: Iterable[Node]) -> Family:
        """The pull requests' records, and those of all that belongs to them."""
        family = Family()
        for pull in pulls:
            family.records["pull_requests"].append(self._without_lists(pull, "PullRequest"))
            belongs = {**self._repository, "pull_request_id": pull["id"]}
            for stream in ("pull_request_commits", "pull_request_comments", "reviews"):
                if stream in self._wanted:
                    await self._take(family, stream, pull, belongs, of=pull["id"])
            if {"review_threads", "review_comments"} & set(self._wanted):
                await self._take_threads(family, pull, belongs)
        return family

    async def of_issues(self, issues: Iterable[Node]) -> Family:
        """The same of issues."""
        family = Family()
        for issue in issues:
            family.records["issues"].append(self._without_lists(issue, "Issue"))
            if "issue_comments" in self._wanted:
                belongs = {**self._repository, "issue_id": issue["id"]}
                await self._take(family, "issue_comments", issue, belongs, of=issue["id"])
        return family

    async def _take(
        self, family: Family, stream: str, parent: Node, belongs: Mapping[str, str], *, of: str
    ) -> None:
        nodes, is_whole = await self._all_of(stream, parent)
        family.records[stream] += [{**node, **belongs} for node in nodes]
        if is_whole:
            family.whole_of[stream].append(of)

    async def _take_threads(self, family: Family, pull: Node, belongs: Mapping[str, str]) -> None:
        threads, is_whole = await self._all_of("review_threads", pull)
        if "review_threads" in self._wanted:
            family.records["review_threads"] += [
                {**self._without_lists(thread, "PullRequestReviewThread"), **belongs} for thread in threads
            ]
            if is_whole:
                family.whole_of["review_threads"].append(pull["id"])
        if "review_comments" not in self._wanted:
            return
        for thread in threads:
            comments, all_of_thread = await self._all_of("review_comments", thread)
            is_whole = is_whole and all_of_thread
            family.records["review_comments"] += [
                {**node, **belongs, "thread_id": thread["id"]} for node in comments
            ]
        if is_whole:
            family.whole_of["review_comments"].append(pull["id"])

    async def _all_of(self, stream: str, parent: Node) -> tuple[list[Node], bool]:
        """Every child, and whether they surely are all: the count that GitHub tells last is theirs."""
        _, name, _ = queries.LISTS[stream]
        page = parent.get(name)
        if page is None:
            return [], False
        found = list(nodes_of(page))
        cursor = next_cursor(page)
        for _ in range(_TRIES):
            try:
                while cursor is not None:
                    page = await self._more(stream, parent["id"], cursor)
                    found += nodes_of(page)
                    cursor = next_cursor(page)
            except NotThere:
                return found, False  # gone meanwhile: the next walk does not see it
            except CursorRefused:
                pass
            else:
                if len(found) == page["totalCount"]:
                    return found, True
            found, cursor = [], ""
        return found, False

    async def _more(self, stream: str, parent_id: str, cursor: str) -> Node:
        document = queries.more_of(stream, self._wanted)
        needs_inner = stream == "review_threads" and "review_comments" in self._wanted

        async def ask() -> Node:
            inner = {"inner": self._size.inner} if needs_inner else {}
            data = await self._api.query(
                document, id=parent_id, first=self._size.first, after=cursor or None, **inner
            )
            if data["node"] is None:
                raise NotThere(f"{parent_id} is not there any more")
            page: Node = data["node"]["page"]
            return page

        return await self._size.fit(ask)

    def _without_lists(self, node: Node, type_: str) -> dict[str, Any]:
        lists = {name for of, name, _ in queries.LISTS.values() if of == type_}
        return {**{name: value for name, value in node.items() if name not in lists}, **self._repository}
