"""Which repositories there are: of the owners, and the single ones that were named."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from etl_core.errors import SourceError
from workers.connectors.github import queries
from workers.connectors.github.answers import NotAllowed, NotThere
from workers.connectors.github.api import GitHub, next_cursor, nodes_of
from workers.connectors.github.config import GitHubConfig
from workers.connectors.github.page_size import PageSize
from workers.connectors.github.place import Repository

_MOST = 100

Node = Mapping[str, Any]


@dataclass
class Census:
    """What was found. Held as a whole: some kilobytes a repository."""

    nodes: dict[str, Node] = field(default_factory=dict)
    """By id; those of an owner first."""
    failures: dict[str, SourceError] = field(default_factory=dict)
    """Owner, or owner/name -> why it cannot be read."""

    @property
    def repositories(self) -> list[Repository]:
        return [Repository(node["id"], node["nameWithOwner"]) for node in self.nodes.values()]


async def take_census(api: GitHub, config: GitHubConfig) -> Census:
    """All repositories that the configuration means and the credential sees.

    Raises:
        SourceError: other than that an owner or repository is not there, or not ours to read.
    """
    census = Census()
    for owner in config.owners:
        try:
            async for node in of_owner(api, owner):
                if is_meant(config, node):
                    census.nodes[node["id"]] = node
        except (NotThere, NotAllowed) as error:
            census.failures[owner] = error
    for name in config.repositories:
        try:
            node = await one_repository(api, name)
        except (NotThere, NotAllowed) as error:
            census.failures[name] = error
        else:
            census.nodes.setdefault(node["id"], node)
    return census


async def of_owner(api: GitHub, owner: str) -> AsyncGenerator[Node]:
    """An organisation's or user's repositories, in the order of their creation, which nothing changes."""
    size = PageSize(_MOST)
    cursor: str | None = None
    while True:

        async def ask(cursor: str | None = cursor) -> Node:
            data = await api.query(queries.OF_OWNER, login=owner, first=size.first, after=cursor)
            if not data["owner"]:
                raise NotThere(f"there is no organisation or user {owner}, or the credential may not see it")
            page: Node = data["owner"]["page"]
            return page

        found = await size.fit(ask)
        for node in nodes_of(found):
            yield node
        cursor = next_cursor(found)
        if cursor is None:
            return


async def one_repository(api: GitHub, name: str) -> Node:
    """By owner/name, also an earlier one."""
    owner, _, short = name.partition("/")

    async def ask() -> Node:
        data = await api.query(queries.ONE_REPOSITORY, owner=owner, name=short)
        if not data["repository"]:
            raise NotThere(f"there is no repository {name}, or the credential may not see it")
        node: Node = data["repository"]
        return node

    return await PageSize(1).fit(ask)


def is_meant(config: GitHubConfig, node: Node) -> bool:
    """Whether an owner's repository is one of those wanted; a single one that was named always is."""
    name = node["nameWithOwner"].lower()
    if (node["isArchived"] and not config.archived) or (node["isFork"] and not config.forks):
        return False
    if config.include and not _matches(name, config.include):
        return False
    return not _matches(name, config.exclude)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern.lower()) for pattern in patterns)
