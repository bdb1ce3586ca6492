"""Stored state follows a repository through its names."""

from __future__ import annotations

from etl_core.connector import PartitionState
from workers.connectors.github.partitions import Start, starts_of
from workers.connectors.github.place import Repository


def at(repository_id: str, position: int) -> PartitionState:
    return PartitionState({"repository_id": repository_id, "at": position})


def starts(stored: dict[str, PartitionState], **repositories: str) -> dict[str, Start]:
    """`repositories`: name -> id."""
    found = starts_of(
        "issues",
        [Repository(id_, name) for name, id_ in repositories.items()],
        {("issues", name): state for name, state in stored.items()} | {("commits", "app"): at("R1", 99)},
    )
    return {start.repository.name: start for start in found}


def test_a_new_one_starts_at_the_beginning() -> None:
    assert starts({}, app="R1")["app"].state == PartitionState()


def test_one_that_kept_its_name_goes_on() -> None:
    state = PartitionState({"repository_id": "R1"}, {"repository_id": "R1", "cursor": "x"})
    start = starts({"app": state}, app="R1")["app"]
    assert start.state == state
    assert not start.moves


def test_one_that_was_renamed_takes_its_bookmark_along() -> None:
    start = starts({"app": at("R1", 7)}, service="R1")["service"]
    assert start.state == at("R1", 7)
    moved = {fragment.partition: fragment.bookmark for fragment in start.moves}
    assert moved == {"service": {"repository_id": "R1", "at": 7}, "app": None}


def test_a_name_that_is_anothers_now_starts_anew() -> None:
    start = starts({"app": at("R1", 7)}, app="R2")["app"]
    assert start.state == PartitionState(None)
    assert [fragment.bookmark for fragment in start.moves] == [None]


def test_a_name_given_away_at_once() -> None:
    """Each page of moves touches partitions of its own lane only."""
    found = starts({"app": at("R1", 7)}, app="R2", service="R1")
    assert found["service"].state == at("R1", 7)
    assert found["app"].state == PartitionState(None)
    touched = [fragment.partition for start in found.values() for fragment in start.moves]
    assert sorted(touched) == ["app", "service"]


def test_two_that_swapped_names() -> None:
    found = starts({"a": at("R1", 1), "b": at("R2", 2)}, a="R2", b="R1")
    assert (found["a"].state, found["b"].state) == (at("R2", 2), at("R1", 1))


def test_an_edited_value_is_not_lost_but_told() -> None:
    state = PartitionState({"nonsense": 1})
    assert starts({"app": state}, app="R1")["app"].state == state
