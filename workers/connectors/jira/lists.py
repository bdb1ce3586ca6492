"""Streams that are small enough to be read as a whole in each run: what a run does not find any more is gone.

Each is a lane of its own. One that cannot be read (a permission is missing) fails alone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Final

from etl_core.connector import SINGLE_PARTITION, Fragment, JsonObject, Page
from workers.connectors.jira.checkpoint import ListResume
from workers.connectors.jira.client import JiraClient, Project
from workers.http import BadRequest, Missing

LISTS: Final = ("projects", "issue_types", "statuses", "users", "boards", "sprints")
_PATHS: Final = {"issue_types": "/issuetype", "statuses": "/status"}
_PAGE_RECORDS: Final = 1_000


async def list_pages(
    client: JiraClient, stream: str, resume: ListResume | None, listed: Sequence[Project]
) -> AsyncGenerator[Page]:
    """The pages of one of LISTS. `listed`: the projects, which have been asked for already."""
    match stream:
        case "projects":
            yield _page(stream, [project.raw for project in listed])
        case "users":
            begin = 0 if resume is None else resume.begin
            async for users, end in client.users(begin):
                yield _page(stream, users, end)
            yield _page(stream, [])
        case "boards":
            yield _page(stream, await client.boards())
        case "sprints":
            async for page in _sprint_pages(client, 0 if resume is None else resume.begin):
                yield page
        case _:
            yield _page(stream, await client.plain_list(_PATHS[stream]))


async def _sprint_pages(client: JiraClient, behind: int) -> AsyncGenerator[Page]:
    """Board by board, in the order of their ids. A sprint may be on several boards."""
    boards = sorted((int(board["id"]) for board in await client.boards()), key=int)
    found: dict[str, JsonObject] = {}
    for board in boards:
        if board <= behind:
            continue
        with suppress(BadRequest, Missing):  # a kanban board has no sprints; another went meanwhile
            found |= {str(sprint.get("id")): sprint for sprint in await client.sprints(board)}
        if len(found) >= _PAGE_RECORDS:
            yield _page("sprints", list(found.values()), board)
            found = {}
    yield _page("sprints", list(found.values()))


def _page(stream: str, records: Sequence[JsonObject], begin: int | None = None) -> Page:
    resume = None if begin is None else ListResume(begin=begin).model_dump()
    fragment = Fragment(stream, SINGLE_PARTITION, bookmark=None, resume=resume)
    return Page(stream, {stream: records} if records else {}, [fragment])
