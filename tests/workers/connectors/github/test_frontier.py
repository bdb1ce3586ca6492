"""A walk through new commits ends where nothing new can follow, and not before."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from workers.connectors.github.frontier import Frontier

History = dict[str, tuple[str, ...]]


@st.composite
def histories(draw: st.DrawFn) -> tuple[History, list[str]]:
    """Commits with their parents, all older; and their order: newest first, with some dates wrong."""
    count = draw(st.integers(1, 30))
    parents: History = {}
    for number in range(count):
        most = min(number, 3)
        chosen = (
            draw(st.sets(st.integers(max(0, number - 6), max(0, number - 1)), max_size=most))
            if number
            else set()
        )
        parents[f"c{number}"] = tuple(f"c{each}" for each in sorted(chosen))
    rng = random.Random(draw(st.integers(0, 99)))
    slack = draw(st.sampled_from([0.0, 4.0]))
    order = sorted(parents, key=lambda oid: int(oid[1:]) + rng.random() * slack, reverse=True)
    return parents, order


def reach(parents: History, oid: str | None) -> set[str]:
    seen: set[str] = set()
    waiting = [oid] if oid else []
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.add(each)
            waiting += parents[each]
    return seen


def walk(parents: History, order: list[str], head: str, loaded: str | None) -> list[str]:
    frontier = Frontier.between(head, loaded)
    new = []
    for oid in order:
        if oid not in reach(parents, head):
            continue
        if frontier.meet(oid, parents[oid]):
            new.append(oid)
        frontier = Frontier(frontier.unseen, frontier.known)  # as a checkpoint keeps it
        if frontier.is_done:
            break
    return new


@given(histories(), st.data())
def test_every_new_commit_is_met(made: tuple[History, list[str]], data: st.DataObject) -> None:
    parents, order = made
    head = data.draw(st.sampled_from(sorted(parents)))
    loaded = data.draw(st.sampled_from([None, *sorted(parents)]))
    new = walk(parents, order, head, loaded)
    assert reach(parents, head) - reach(parents, loaded) <= set(new)
    assert len(new) == len(set(new))


def test_the_end_is_found_early() -> None:
    parents: History = {f"c{n}": (f"c{n - 1}",) if n else () for n in range(1_000)}
    order = sorted(parents, key=lambda oid: int(oid[1:]), reverse=True)
    assert walk(parents, order, "c999", "c989") == [f"c{n}" for n in range(999, 989, -1)]


def test_what_a_merge_brought_is_older_than_the_head_before() -> None:
    parents: History = {"root": (), "side": ("root",), "old": ("root",), "merge": ("old", "side")}
    assert walk(parents, ["merge", "old", "side", "root"], "merge", "old") == ["merge", "side"]


def test_what_is_kept_is_bounded() -> None:
    parents = {"head": tuple(f"p{n}" for n in range(5_000)), "old": ()}
    frontier = Frontier.between("head", "old")
    frontier.meet("head", parents["head"])
    assert frontier.unseen is None
    assert frontier.known == ()
    assert not frontier.is_done
