"""Partitions are called by names, and names change: which stored state belongs to which repository.

Pure: from what is stored and which repositories there are to where each walk starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etl_core.connector import Fragment, JsonObject, PartitionState
from workers.connectors.github.place import Repository


@dataclass(frozen=True, slots=True)
class Start:
    """Where a repository's walk of one stream starts, and what is put right before."""

    repository: Repository
    state: PartitionState
    moves: tuple[Fragment, ...] = ()
    """Fragments that follow the repository to its new name."""


def starts_of(
    stream: str, repositories: Sequence[Repository], stored: Mapping[tuple[str, str], PartitionState]
) -> list[Start]:
    """One start a repository, in their order.

    A repository that was renamed takes its bookmark along. A name that is another's now starts anew.
    """
    here = {partition: state for (name, partition), state in stored.items() if name == stream}
    by_id = {owner: partition for partition, state in here.items() if (owner := _repository_of(state))}
    names = {repository.name for repository in repositories}
    return [_start(stream, repository, here, by_id, names) for repository in repositories]


def _start(
    stream: str,
    repository: Repository,
    here: Mapping[str, PartitionState],
    by_id: Mapping[str, str],
    names: set[str],
) -> Start:
    state = here.get(repository.name, PartitionState())
    if _repository_of(state) in (None, repository.id):
        old_name = by_id.get(repository.id)
        if old_name in (None, repository.name) or _repository_of(state) is not None:
            return Start(repository, state)
    old_name = by_id.get(repository.id)
    bookmark: JsonObject | None = here[old_name].bookmark if old_name else None
    moves = [Fragment(stream, repository.name, bookmark)]
    if old_name and old_name not in names:
        # A name that is another's by now is put right with the walk of that one.
        moves.append(Fragment(stream, old_name, None))
    return Start(repository, PartitionState(bookmark), tuple(moves))


def _repository_of(state: PartitionState) -> str | None:
    """The id that a stored value names."""
    for value in (state.bookmark, state.resume):
        if isinstance(value, dict):
            found: Any = value.get("repository_id")
            if isinstance(found, str):
                return found
    return None
