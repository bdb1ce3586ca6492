"""Which jobs are marked, for what is done to many: by id, so that refresh, sort and filter keep them."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Final

MARK: Final = "■"


class Marks:
    """A set of ids, and while a range is drawn the place where it began.

    What is drawn is added to what was marked before; `end_range` keeps it.
    """

    def __init__(self) -> None:
        self._kept: set[int] = set()
        self._range: set[int] = set()
        self._anchor: int | None = None
        self._held = False

    @property
    def ids(self) -> Set[int]:
        return self._kept | self._range if self._range else self._kept

    @property
    def is_drawing(self) -> bool:
        """Whether the cursor draws a range."""
        return self._anchor is not None

    def toggle(self, job_id: int) -> None:
        """Marks a job, or takes its mark away."""
        self._kept ^= {job_id}

    def toggle_all(self, job_ids: Sequence[int]) -> None:
        """Marks jobs; takes their marks away where all of them are marked."""
        if self._kept.issuperset(job_ids):
            self._kept.difference_update(job_ids)
        else:
            self._kept.update(job_ids)

    def add(self, job_ids: Sequence[int]) -> None:
        self._kept.update(job_ids)

    def invert(self, shown: Sequence[int]) -> None:
        """Turns the marks of the jobs that are shown; those of others stay."""
        self._kept ^= set(shown)

    def clear(self) -> None:
        self._kept.clear()
        self.drop_range()

    def begin_range(self, job_id: int, *, held: bool = False) -> None:
        """A range begins at this job; with `held` it lasts while shift is held, for arrows only."""
        self._anchor, self._range, self._held = job_id, {job_id}, held

    def end_held(self) -> None:
        """Shift was let go."""
        if self._held:
            self.end_range()

    def draw_range(self, job_id: int, shown: Sequence[int]) -> None:
        """It reaches to this job now, in the order in which jobs are shown."""
        if self._anchor in shown and job_id in shown:
            first, last = sorted((shown.index(self._anchor), shown.index(job_id)))
            self._range = set(shown[first : last + 1])

    def end_range(self) -> None:
        """What was drawn stays marked."""
        self._kept |= self._range
        self._range, self._anchor, self._held = set(), None, False

    def drop_range(self) -> None:
        """What was drawn is forgotten."""
        self._range, self._anchor, self._held = set(), None, False

    def keep_only(self, job_ids: Set[int]) -> None:
        """Forgets jobs that are gone."""
        self._kept &= job_ids
        self._range &= job_ids
        if self._anchor not in job_ids:
            self._anchor = None
