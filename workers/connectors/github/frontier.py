"""Where a walk through new commits may end: when nothing is left that could lead to another new one.

History comes by date. Behind the old head there may still be new commits: a branch merged since brings older
ones. So the old head is no end. As `git rev-list new ^old` does, the walk keeps what it must still meet, and
passes on what is known from each known commit to its parents. Both sets are about as large as the history is
wide. Where dates are wrong, and a commit comes before one that builds on it, known commits are taken for new
and the walk goes further: nothing is lost.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

_WIDEST = 2_000
"""More is not kept in a checkpoint: such a walk goes to the end of the history."""


class Frontier:
    """The commits to be met between a new head and those that are known."""

    def __init__(self, unseen: Collection[str] | None, known: Collection[str]) -> None:
        """`unseen` None: the walk has no other end than the history's."""
        self._unseen = None if unseen is None else set(unseen)
        self._known = set(known)

    @classmethod
    def between(cls, head: str, loaded: str | None) -> Frontier:
        """From a head to what another, whose commits are all loaded, can reach."""
        return cls(None, ()) if loaded is None else cls({head} - {loaded}, {loaded})

    def meet(self, oid: str, parents: Sequence[str]) -> bool:
        """The next commit of the history; whether it is new."""
        is_known = oid in self._known
        if is_known:
            self._known.discard(oid)
            self._known.update(parents)
        if self._unseen is not None:
            self._unseen.discard(oid)
            if not is_known:
                self._unseen.update(parents)
            self._unseen -= self._known
            if len(self._unseen) + len(self._known) > _WIDEST:
                self._unseen, self._known = None, set()
        return not is_known

    @property
    def is_done(self) -> bool:
        """Whether no new commit can follow."""
        return self._unseen is not None and not self._unseen

    @property
    def unseen(self) -> tuple[str, ...] | None:
        return None if self._unseen is None else tuple(sorted(self._unseen))

    @property
    def known(self) -> tuple[str, ...]:
        return tuple(sorted(self._known))
