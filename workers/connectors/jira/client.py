"""Jira's REST API as far as it is used here: one class, for the cloud (API 3) and Data Center (API 2)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from etl_core.connector import Budget, ExtractContext, JsonObject
from etl_core.errors import Permanent, RateLimited, SourceError, Transient
from workers.connectors.jira.config import JiraConfig, OAuth
from workers.connectors.jira.login import counted_by, log_in
from workers.connectors.jira.moments import epoch_ms
from workers.http import Forbidden, HttpSource, Response, Retries, Timeouts

RETRIES: Final = Retries(attempts=6, first_wait=0.5, longest_wait=15.0)
TIMEOUTS: Final = Timeouts(connect=10.0, read=60.0, whole=180.0)
LIST_PAGE = 50
USER_PAGE = 500
CHANGELOG_PAGE = 1_000
_MOST_TRIES = 4
"""Of reading a list whose length changes under us."""
_SCOPES_LACK = "scope does not match"


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a search. `following` leads to the next one; None: it was the last."""

    issues: Sequence[JsonObject]
    following: str | None


@dataclass(frozen=True, slots=True)
class Project:
    id: int
    key: str
    raw: JsonObject


class JiraClient:
    """Asks one site. Everything raised is a SourceError."""

    def __init__(self, source: HttpSource, config: JiraConfig, prefix: str) -> None:
        self._source = source
        self._config = config
        self._prefix = prefix
        self._api = f"{prefix}/rest/api/{3 if config.is_cloud else 2}"
        self._agile = f"{prefix}/rest/agile/1.0"

    async def myself(self) -> JsonObject:
        """Who we are. Asked first of all: a site takes a credential that it does not know for nobody, and
        answers some questions with empty lists."""
        return await self._object("/myself")

    async def server(self) -> JsonObject:
        return await self._object("/serverInfo")

    async def now(self) -> int:
        """The site's own time, epoch milliseconds."""
        found = epoch_ms((await self.server()).get("serverTime"))
        if found is None:
            raise Transient("Jira does not tell its time")
        return found

    async def scopes(self) -> list[str] | None:
        """What an OAuth 2 credential was granted; None where that is no question."""
        if not isinstance(self._config.auth, OAuth):
            return None
        answer = await self._source.get_json("/oauth/token/accessible-resources")
        for site in _list(answer, answer.json):
            if f"/ex/jira/{site.get('id')}" == self._prefix:
                return [str(scope) for scope in site.get("scopes", ())]
        return []

    # -- searching

    async def search(
        self, jql: str, fields: Sequence[str], *, size: int, token: str | None, changelog: bool = False
    ) -> Found:
        """A page of at most `size` issues; `token` is an earlier page's `following`, of the same query.

        The cloud ends a list by giving no token: `isLast` is not to be trusted.
        """
        asked: dict[str, Any] = {"jql": jql, "fields": list(fields), "maxResults": size}
        if self._config.is_cloud:
            if token is not None:
                asked["nextPageToken"] = token
            answer = await self._source.post_json(f"{self._api}/search/jql", json=asked, safe=True)
            body = _dict(answer, answer.json)
            following = body.get("nextPageToken")
            if following is not None and not isinstance(following, str):
                raise _strange(answer, "nextPageToken is no text")
            return Found(_list(answer, body.get("issues")), following or None)
        begin = int(token or 0)
        asked |= {"startAt": begin, "expand": ["changelog"] if changelog else []}
        answer = await self._source.post_json(f"{self._api}/search", json=asked, safe=True)
        body = _dict(answer, answer.json)
        issues = _list(answer, body.get("issues"))
        end = begin + len(issues)
        total = body.get("total")
        if not isinstance(total, int):
            raise _strange(answer, "no total")
        return Found(issues, str(end) if issues and end < total else None)

    # -- lists

    async def projects(self) -> list[Project]:
        """Those that the account may browse."""
        if self._config.is_cloud:
            found = await self._whole_list(f"{self._api}/project/search", {"orderBy": "key"})
        else:
            answer = await self._source.get_json(f"{self._api}/project")
            found = _list(answer, answer.json)
        try:
            return [Project(int(each["id"]), str(each["key"]), each) for each in found]
        except (KeyError, TypeError, ValueError):
            raise Transient("the list of projects holds one without id and key") from None

    async def deleted_projects(self) -> set[int]:
        """Ids of projects in the recycle bin, as far as the account may know: it must administer Jira."""
        if not self._config.is_cloud:
            return set()
        try:
            found = await self._whole_list(f"{self._api}/project/search", {"status": "deleted"})
        except Permanent:  # not everybody may ask
            return set()
        return {int(each["id"]) for each in found if str(each.get("id", "")).isdigit()}

    async def plain_list(self, path: str) -> list[JsonObject]:
        """What comes in one answer: issue types, statuses, fields."""
        answer = await self._source.get_json(f"{self._api}{path}")
        return _list(answer, answer.json)

    async def users(self, begin: int) -> AsyncGenerator[tuple[list[JsonObject], int]]:
        """Pages of people, each with the offset behind it.

        In the cloud a page may be short, or even empty, before the end: who may not be seen is taken out of
        it afterwards. Only an empty page behind an empty page is taken for the end.
        """
        empty = 0
        while True:
            params: dict[str, Any] = {"startAt": begin, "maxResults": USER_PAGE}
            if self._config.is_cloud:
                path = f"{self._api}/users/search"
            else:
                path = f"{self._api}/user/search"
                params |= {"username": ".", "includeInactive": "true"}
            answer = await self._source.get_json(path, params=params)
            found = _list(answer, answer.json)
            begin += USER_PAGE
            empty = 0 if found else empty + 1
            if empty == (2 if self._config.is_cloud else 1):
                return
            if found:
                yield found, begin
            if not self._config.is_cloud and len(found) < USER_PAGE:
                return

    async def boards(self) -> list[JsonObject]:
        return await self._whole_list(f"{self._agile}/board", {})

    async def sprints(self, board_id: int) -> list[JsonObject]:
        return await self._whole_list(f"{self._agile}/board/{board_id}/sprint", {})

    # -- what belongs to an issue

    async def children(self, issue_id: str, kind: str) -> list[JsonObject]:
        """All `comment`s or `worklog`s of an issue. Raises Missing when the issue is gone."""
        return await self._whole_list(f"{self._api}/issue/{issue_id}/{kind}", {}, named=f"{kind}s", size=100)

    async def changelogs(self, issue_ids: Sequence[str]) -> AsyncGenerator[tuple[str, list[JsonObject]]]:
        """(issue id, entries) of up to 1,000 issues; an issue may come several times. Cloud only."""
        token: str | None = None
        seen: set[str] = set()
        while True:
            asked: dict[str, Any] = {"issueIdsOrKeys": list(issue_ids), "maxResults": CHANGELOG_PAGE}
            if token is not None:
                asked["nextPageToken"] = token
            answer = await self._source.post_json(f"{self._api}/changelog/bulkfetch", json=asked, safe=True)
            body = _dict(answer, answer.json)
            for each in _list(answer, body.get("issueChangeLogs")):
                yield str(each.get("issueId")), _list(answer, each.get("changeHistories"))
            token = body.get("nextPageToken")
            if not token:
                return
            if token in seen:
                raise _strange(answer, "the page token that was given came again")
            seen.add(token)

    async def whole_changelog(self, issue_id: str) -> list[JsonObject]:
        """Of one issue. Data Center only."""
        answer = await self._source.get_json(
            f"{self._api}/issue/{issue_id}", params={"expand": "changelog", "fields": "updated"}
        )
        changelog = _dict(answer, _dict(answer, answer.json).get("changelog"))
        return _list(answer, changelog.get("histories"))

    # -- within

    async def _object(self, path: str) -> JsonObject:
        answer = await self._source.get_json(f"{self._api}{path}")
        return _dict(answer, answer.json)

    async def _whole_list(
        self, path: str, params: Mapping[str, Any], *, named: str = "values", size: int = LIST_PAGE
    ) -> list[JsonObject]:
        """All pages of a list that is read by offset.

        Something that goes while it is read moves what is behind it up, past the next offset: a list whose
        length changes is read again.
        """
        for _ in range(_MOST_TRIES):
            found: dict[str, JsonObject] = {}
            totals: set[int] = set()
            begin = 0
            while True:
                answer = await self._source.get_json(
                    path, params={**params, "startAt": begin, "maxResults": size}
                )
                body = _dict(answer, answer.json)
                values = _list(answer, body.get(named))
                found |= {str(value.get("id")): value for value in values}
                begin += len(values)
                total = body.get("total")
                if isinstance(total, int):
                    totals.add(total)
                if not values or (begin >= total if isinstance(total, int) else body.get("isLast") is True):
                    break
            if not totals or totals == {len(found)}:
                return list(found.values())
        raise Transient(f"{path.removeprefix(self._prefix)}: the list keeps changing while it is read")


@asynccontextmanager
async def open_client(config: JiraConfig, context: ExtractContext | None = None) -> AsyncIterator[JiraClient]:
    """A client of the site; with a context its calls are counted with those of all other runs.

    Raises:
        Unauthorised, Permanent: the login cannot be read; the credential sees no such site.
    """
    auth = config.auth
    gateway = auth.gateway_url.rstrip("/") if isinstance(auth, OAuth) else "https://api.atlassian.com"
    site = config.site or ""
    behind_gateway = isinstance(auth, OAuth) or config.cloud_id is not None
    base = gateway if behind_gateway else site
    budget: Budget | None = None
    if context is not None:
        place = config.cloud_id or urlsplit(site).netloc
        budget = context.budget(
            counted_by(auth),
            f"jira {place}",
            capacity=config.requests_per_minute,
            per=timedelta(minutes=1),
        )
    async with HttpSource(
        base,
        auth=await log_in(auth),
        budget=budget,
        retries=RETRIES,
        timeouts=TIMEOUTS,
        classify=_classify,
    ) as source:
        prefix = ""
        if behind_gateway:
            prefix = f"/ex/jira/{config.cloud_id or await _find_cloud_id(source, site)}"
        yield JiraClient(source, config, prefix)


async def _find_cloud_id(source: HttpSource, site: str) -> str:
    answer = await source.get_json("/oauth/token/accessible-resources")
    there = _list(answer, answer.json)
    for each in there:
        if str(each.get("url", "")).rstrip("/") == site:
            return str(each["id"])
    names = ", ".join(str(each.get("url")) for each in there[:5]) or "no site at all"
    raise Permanent(
        f"the OAuth 2 credential may read {names}, and not {site}: let the app be installed there"
    )


def _classify(answer: Response) -> SourceError | None:
    """What Jira says in its own way."""
    if answer.status in (429, 503) and (limit := answer.headers.get("ratelimit-reason")):
        wait = answer.retry_after
        return RateLimited(
            f"{answer.method} {answer.url}: {answer.status}, Jira's limit {limit}",
            until=timedelta(seconds=5) if wait is None else wait,
        )
    if answer.status == 401 and _SCOPES_LACK in answer.excerpt:
        return Forbidden(
            f"{answer.method} {answer.url}: 401 ({answer.excerpt}); grant the app the scope that this needs",
            answer,
        )
    return None


def _dict(answer: Response, value: Any) -> JsonObject:
    if not isinstance(value, dict):
        raise _strange(answer, "an object is missing")
    return value


def _list(answer: Response, value: Any) -> list[JsonObject]:
    # An answer without its list is no end of it.
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise _strange(answer, "a list is missing")
    return value


def _strange(answer: Response, what: str) -> Transient:
    return Transient(f"{answer.method} {answer.url}: not what Jira answers ({what})")
