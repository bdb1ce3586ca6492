"""Reading the simulator as a worker does, into a destination in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from etl_core.connector import ExtractContext, PartitionState
from etl_core.testing.walking import Destination, pages_of, run
from tests.simulators.github import GitHubSimulator
from tests.simulators.github.access import TOKEN
from workers.connectors.github import GitHubConnector
from workers.connectors.github.config import GitHubConfig

PULLS = ("pull_requests", "reviews", "review_threads", "review_comments", "pull_request_comments")


def connector_of(github: GitHubSimulator, **settings: Any) -> GitHubConnector:
    """All of `octo`, unless the settings say otherwise."""
    given: dict[str, Any] = {"api_url": github.url, **settings}
    if "app" not in given:
        given.setdefault("token", TOKEN)
    if "repositories" not in given:
        given.setdefault("owners", ["octo"])
    return GitHubConnector(GitHubConfig.model_validate(given))


async def read(
    github: GitHubSimulator,
    into: Destination | None = None,
    *,
    stop_after: int | None = None,
    **settings: Any,
) -> Destination:
    """One run into a destination; a new one by default."""
    into = into or Destination()
    await run(connector_of(github, **settings), into, stop_after=stop_after)
    return into


def titles(loaded: Destination, stream: str = "pull_requests") -> dict[int, str]:
    """Number -> title."""
    return {row["number"]: row["title"] for row in loaded.rows.get(stream, {}).values()}


def expect_all(github: GitHubSimulator, loaded: Destination, since: int | None = None) -> None:
    """What is loaded is what there is, or was at some moment since."""
    history = github.world.history
    wrong = history.differences(loaded.rows, history.now if since is None else since)
    assert not wrong, "\n".join(wrong[:10])


def on_page(github: GitHubSimulator, name: str, number: int, happens: Callable[[], object]) -> None:
    """Something happens right before the answer to the `number`-th request for a page of this list."""
    seen = 0

    def look(asked: dict[str, Any]) -> None:
        nonlocal seen
        if f"page: {name}(" in asked["query"]:
            seen += 1
            if seen == number:
                happens()

    github.before_answer = look


def asked_for(github: GitHubSimulator, name: str) -> list[dict[str, Any]]:
    """The variables of the requests for pages of this list."""
    return [asked["variables"] for asked in github.queries if f"page: {name}(" in asked["query"]]


async def failures_of(github: GitHubSimulator, **settings: Any) -> list[str]:
    """`stream partition: why`, of what a run could not read."""
    loaded = await read(github, **settings)
    return [f"{failed.stream} {failed.partition}: {failed.error}" for failed in loaded.failures]


def state_of(loaded: Destination, stream: str, partition: str = "octo/app") -> PartitionState:
    return loaded.checkpoint[stream, partition]


async def pages_until(github: GitHubSimulator, **settings: Any) -> int:
    """How many pages a first run has."""
    connector = connector_of(github, **settings)
    await connector.discover(ExtractContext())
    return len([page async for page in pages_of(connector, ExtractContext())])
