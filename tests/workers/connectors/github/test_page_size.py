"""Pages are halved when GitHub gives up, and grow back slowly."""

from __future__ import annotations

import pytest

from etl_core.errors import Transient
from tests.simulators.github import GitHubSimulator
from tests.simulators.github.world import Thing
from tests.workers.connectors.github.reading import asked_for, expect_all, read
from workers.connectors.github.answers import TooMuch
from workers.connectors.github.page_size import PageSize


async def test_halves_until_it_fits() -> None:
    size = PageSize(100)
    asked = []

    async def ask() -> int:
        asked.append(size.first)
        if size.first > 20:
            raise TooMuch("502")
        return size.first

    assert await size.fit(ask) == 12
    assert asked == [100, 50, 25, 12]


async def test_lists_within_are_halved_last_and_grow_first() -> None:
    size = PageSize(2, most_nested=20)
    seen = []
    while size.shrink():
        seen.append((size.first, size.nested))
    assert seen == [(1, 20), (1, 10), (1, 5), (1, 2)]
    for _ in range(20):
        size.grow()
    assert (size.first, size.nested) == (1, 20)


async def test_grows_back_slowly() -> None:
    size = PageSize(40)
    size.shrink()
    grown = []
    for _ in range(25):
        size.grow()
        grown.append(size.first)
    assert grown[3] == 20  # not yet
    assert grown[4] == 25
    assert max(grown) == grown[-1] == 40


async def test_what_does_not_fit_at_all_is_given_up() -> None:
    size = PageSize(4)
    tries = 0

    async def ask() -> None:
        nonlocal tries
        tries += 1
        raise TooMuch("504")

    with pytest.raises(Transient) as told:
        await size.fit(ask)
    assert told.value.retry_in_place  # the run may be begun again
    assert 5 < tries < 20


async def test_other_errors_are_not_taken_for_it() -> None:
    size = PageSize(4)

    async def ask() -> None:
        raise Transient("the connection broke off")

    with pytest.raises(Transient):
        await size.fit(ask)
    assert size.first == 4


async def test_a_server_that_answers_only_small_pages_is_read_whole(
    github: GitHubSimulator, app: Thing
) -> None:
    for _ in range(30):
        pull = github.world.add_pull_request(app)
        github.world.add_comment(pull)
        github.world.pass_time()
    github.gives_up_above = 2_500
    loaded = await read(github)
    expect_all(github, loaded)
    sizes = [variables["first"] for variables in asked_for(github, "pullRequests")]
    assert sizes[:3] == [25, 12, 6]
    assert github.answered < 80
