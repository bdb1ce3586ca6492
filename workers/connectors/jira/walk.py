"""One walk over the issues of a site, with everything that belongs to them.

All projects are one partition, in one lane. Issues move between projects: their key changes, their id stays.
Were each project walked by itself, an issue that moves from one that is not read yet to one that is would be
in neither, and the older of two states could be loaded last. In one list, ordered by `updated`, a move is a
change like any other: the issue jumps ahead of the walk. It also takes one query where there would be
thousands.

A walk has up to three legs, each a list in that order (see `search`):

- `new`: projects that no walk has read yet, because they were made, allowed or configured since: all of them;
- `ids`: every `census_every` runs, of everything older than the overlap the ids alone;
- `rows`: what was updated since the bookmark, less the overlap.

So a census is a walk that sees each issue there is, and what it did not see is gone. It judges only the rows
of projects that could be listed before and after: an issue of a project that we may not browse any more stays
as it is. An issue cannot hide between the legs: one that is changed meanwhile moves ahead, from `ids` into
`rows`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from etl_core.connector import SINGLE_PARTITION, Covers, Fragment, JsonObject, Page
from workers.connectors.jira.checkpoint import Bookmark, IssueResume, Leg
from workers.connectors.jira.children import children_of
from workers.connectors.jira.client import Found, JiraClient, Project
from workers.connectors.jira.config import JiraConfig
from workers.connectors.jira.moments import changed_since, epoch_ms, whole_second
from workers.connectors.jira.search import in_order, updated_of
from workers.http import BadRequest

LANE: Final = "issues"
ID_PAGE: Final = 1_000
"""Issues of a census that a page may have; sites give fewer if they like."""
MOST_NAMED: Final = 300
"""Projects that a query names; more are picked from what it finds."""
_LEGS: Final[tuple[Leg, ...]] = ("new", "ids", "rows")


@dataclass(frozen=True, slots=True)
class SiteFields:
    """The ids of the site's own fields that have a column: they differ from site to site."""

    points: tuple[str, ...] = ()
    sprint: tuple[str, ...] = ()


def site_fields(fields: Sequence[JsonObject]) -> SiteFields:
    """From what `/field` lists: by kind where it tells, by the name that Jira gives them otherwise."""
    points, sprint = [], []
    for each in fields:
        schema = each.get("schema")
        custom = str(schema.get("custom", "")) if isinstance(schema, Mapping) else ""
        name = str(each.get("name", "")).casefold()
        if custom.endswith((":jsw-story-points", ":story-points")) or name in (
            "story points",
            "story point estimate",
        ):
            points.append(str(each.get("id")))
        elif custom.endswith(":gh-sprint"):
            sprint.append(str(each.get("id")))
    return SiteFields(tuple(points), tuple(sprint))


class IssueWalk:
    """From where the checkpoint stands to the end of the list."""

    def __init__(
        self,
        client: JiraClient,
        config: JiraConfig,
        bookmark: Bookmark | None,
        resume: IssueResume | None,
        *,
        listed: Sequence[Project],
        now: int,
        span: tuple[int, int] | None = None,
    ) -> None:
        """`listed`: the projects that the account may browse now. `now`: the site's time, epoch ms.

        `span`: of a backfill, in epoch ms: only what was updated in it, the end not among it.
        """
        self._span = span
        self._client = client
        self._config = config
        self._bookmark = bookmark
        self._wanted = _wanted(config, listed)
        self._at = begin(config, bookmark, resume, self._wanted, now)
        if span is not None and resume is None:
            first = whole_second(span[0])
            beginning = {"leg": "rows", "after": first, "cut": first, "census": False, "new": []}
            self._at = self._at.model_copy(update=beginning)
        self._fields = SiteFields()

    async def pages(self) -> AsyncGenerator[Page]:
        self._fields = site_fields(await self._client.plain_list("/field"))
        for leg in _LEGS[_LEGS.index(self._at.leg) :]:
            if leg != self._at.leg:
                after = self._at.cut if leg == "rows" else 0
                self._at = self._at.model_copy(update={"leg": leg, "after": after})
            if (
                not self._wanted
                or (leg == "new" and not self._at.new)
                or (leg == "ids" and not self._at.census)
            ):
                continue
            async with aclosing(in_order(self._ask, self._at.after)) as stretches:
                async for stretch in stretches:
                    yield await self._page(stretch.issues, stretch.after)
        yield await self._last_page()

    async def _ask(self, after: int, token: str | None) -> Found:
        """A page of the present leg."""
        leg = self._at.leg
        only_ids = leg == "ids" and self._config.census_reads == "ids"
        try:
            found = await self._client.search(
                changed_since(
                    after,
                    before=self._until(leg),
                    projects=self._named(),
                ),
                ["updated", "project"] if only_ids else self._asked_fields(),
                size=max(ID_PAGE, self._config.page_size) if only_ids else self._config.page_size,
                token=token,
                changelog=not only_ids and "changelogs" in self._config.children,
            )
        except BadRequest:
            # A project that is named and that we may not browse any more makes the whole query fail.
            there = _wanted(self._config, await self._client.projects())
            if token is not None or there.keys() >= self._wanted.keys():
                raise
            self._wanted = {id_: key for id_, key in self._wanted.items() if id_ in there}
            self._at = self._at.model_copy(
                update={
                    "projects": [id_ for id_ in self._at.projects if id_ in there],
                    "new": [id_ for id_ in self._at.new if id_ in there],
                }
            )
            if not self._wanted or (leg == "new" and not self._at.new):
                return Found((), None)
            return await self._ask(after, None)
        if not self._is_picky and self._span is None:
            return found
        return Found([issue for issue in found.issues if self._is_wanted(issue)], found.following)

    def _until(self, leg: Leg) -> int | None:
        if leg != "rows":
            return self._at.cut
        return None if self._span is None else whole_second(self._span[1] + 999)

    @property
    def _is_picky(self) -> bool:
        return bool(self._config.projects or self._config.exclude_projects)

    def _named(self) -> list[int] | None:
        """The projects that a query names; None: whatever the account may see."""
        named = self._at.new if self._at.leg == "new" else list(self._wanted)
        if self._at.leg != "new" and not self._is_picky:
            return None
        return named if len(named) <= MOST_NAMED else None

    def _is_wanted(self, issue: JsonObject) -> bool:
        """Where a query names no projects, or no range to the millisecond.

        Also of an issue that has moved and is late in the index.
        """
        if self._span is not None:  # the index rounds to seconds
            updated = epoch_ms(updated_of(issue))
            if updated is not None and not self._span[0] <= updated < self._span[1]:
                return False
        fields = issue.get("fields")
        project = fields.get("project") if isinstance(fields, Mapping) else None
        found = project.get("id") if isinstance(project, Mapping) else None
        return found is None or (str(found).isdigit() and int(found) in self._wanted)

    def _asked_fields(self) -> list[str]:
        left_out = {"comments": "-comment", "worklogs": "-worklog"}
        unwanted = [shown for name, shown in left_out.items() if name not in self._config.children]
        return ["*all", *unwanted]

    async def _page(self, issues: Sequence[JsonObject], after: int) -> Page:
        seen = max([self._at.seen, *(epoch_ms(updated_of(issue)) or 0 for issue in issues)])
        self._at = self._at.model_copy(update={"after": after, "seen": seen})
        records: dict[str, Sequence[JsonObject]] = {}
        whole_of: dict[str, list[str]] = {}
        if self._at.leg == "ids" and self._config.census_reads == "ids":
            records["issues"] = [{"id": issue.get("id")} for issue in issues]
        else:
            children = await children_of(
                self._client, issues, self._config.children, is_cloud=self._config.is_cloud
            )
            records = {"issues": [self._record(issue) for issue in issues], **children.records}
            whole_of = {name: ids for name, ids in children.whole_of.items() if ids}
        return Page(
            LANE,
            {name: found for name, found in records.items() if found},
            [self._fragment(self._bookmark, self._at)],
            whole_of=whole_of,
        )

    def _record(self, issue: JsonObject) -> JsonObject:
        """What is kept of an issue until it is transformed: not its children, which are streams of their
        own."""
        fields = issue.get("fields")
        record = {"id": issue.get("id"), "key": issue.get("key"), "fields": fields}
        if not isinstance(fields, Mapping):
            return record
        record["fields"] = {n: value for n, value in fields.items() if n not in ("comment", "worklog")}
        record["story_points"] = _first(fields, self._fields.points)
        sprints = _first(fields, self._fields.sprint)
        record["sprints"] = (
            [each.get("id") for each in sprints if isinstance(each, Mapping)]
            if isinstance(sprints, list)
            else None
        )
        return record

    async def _last_page(self) -> Page:
        """Once all is loaded: where the next run begins, and of which projects the census may judge."""
        if self._span is not None:
            done = Bookmark(updated=self._span[1], projects=[], streams=self._config.children, runs=0)
            return Page(LANE, {}, [self._fragment(done, None)])
        there = _wanted(self._config, await self._client.projects())
        steady = [id_ for id_ in self._at.projects if id_ in there]
        covered: list[int] = []
        if self._at.census:
            # A project that is not listed: gone for good, or no longer ours to see? Only the recycle bin
            # tells.
            covered = [*steady, *sorted(await self._client.deleted_projects() - there.keys())]
        before = self._bookmark
        runs = 0 if self._at.census or before is None else before.runs + 1
        end = Bookmark(
            # While we are at its end the list goes on, and the index is late: what belongs before the last
            # issue seen may come behind us. Only what was updated before the walk began is sure to have been
            # met, less the overlap. An issue that is dated in the future is no bookmark for the same reason.
            updated=min(self._at.seen, self._at.began) or None,
            projects=sorted(steady),
            streams=self._config.children,
            runs=runs,
        )
        covers = Covers("project_id", [str(project) for project in covered])
        return Page(LANE, {}, [self._fragment(end, None, covers)])

    def _fragment(
        self, bookmark: Bookmark | None, resume: IssueResume | None, covers: Covers | None = None
    ) -> Fragment:
        return Fragment(
            "issues",
            SINGLE_PARTITION,
            None if bookmark is None else bookmark.model_dump(),
            None if resume is None else resume.model_dump(),
            covers,
        )


def begin(
    config: JiraConfig,
    bookmark: Bookmark | None,
    resume: IssueResume | None,
    wanted: Mapping[int, str],
    now: int,
) -> IssueResume:
    """Where a walk starts, or goes on. Pure."""
    if resume is not None and set(config.children) <= set(resume.streams):
        there = [id_ for id_ in resume.projects if id_ in wanted]
        return resume.model_copy(
            update={"projects": there, "new": [id_ for id_ in resume.new if id_ in wanted]}
        )
    projects = sorted(wanted)
    fresh = IssueResume(
        leg="rows",
        after=0,
        cut=0,
        seen=0,
        began=now,
        census=True,
        new=[],
        projects=projects,
        streams=config.children,
    )
    if bookmark is None or bookmark.updated is None or not set(config.children) <= set(bookmark.streams):
        return fresh
    cut = whole_second(max(bookmark.updated - config.overlap_minutes * 60_000, 0))
    return fresh.model_copy(
        update={
            "leg": "new",
            "cut": cut,
            "seen": bookmark.updated,
            "census": 0 < config.census_every <= bookmark.runs + 1,
            "new": sorted(wanted.keys() - set(bookmark.projects)),
        }
    )


def _wanted(config: JiraConfig, listed: Sequence[Project]) -> dict[int, str]:
    return {project.id: project.key for project in listed if config.wants_project(project.key)}


def _first(fields: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((fields[name] for name in names if fields.get(name) is not None), None)
