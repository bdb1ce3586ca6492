"""What a run finds: which files are new or changed, and which are left for the next run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from etl_core.connector import ExtractContext
from etl_core.errors import Permanent, Transient
from etl_core.stored_state import read_state
from workers.connectors.files.checkpoint import FileBookmark, LedgerBookmark, Resume
from workers.connectors.files.config import FilesConfig
from workers.connectors.files.formats.joining import join_of
from workers.connectors.files.ledger import LEDGER, MOST_FILES, MOST_OWN, RECENT, Ledger
from workers.connectors.files.places.address import Kind
from workers.connectors.files.places.files import FileMissing, Place, SourceFile
from workers.connectors.files.plan import FilePlan

LONGEST_LOOK_S = 2.0
"""Seconds that are waited to see whether a young file stays as it is."""
_NS = 1_000_000_000


@dataclass(slots=True)
class Left:
    """Files that are not read in this run, with the reason of each."""

    reasons: dict[str, str] = field(default_factory=dict)

    def told(self) -> str:
        """In one line, the first three by name; "" for none."""
        if not self.reasons:
            return ""
        some = ", ".join(f"{name} ({why})" for name, why in list(self.reasons.items())[:3])
        more = len(self.reasons) - 3
        return f"left for the next run: {some}{f' and {more:,} more' if more > 0 else ''}"


@dataclass(slots=True)
class Survey:
    """All files that matched, in order, without those left."""

    files: Sequence[SourceFile]
    plans: list[FilePlan]
    ledger: Ledger
    left: Left


async def survey(place: Place, config: FilesConfig, context: ExtractContext, stream: str) -> Survey:
    """Raises SourceError: nothing matches, or all of it is left and nothing was ever read."""
    found = await place.find()
    if len(found.files) > MOST_FILES:
        raise Permanent(
            f"{config.shown}: {len(found.files):,} files, and an integration keeps book of {MOST_FILES:,}; "
            "make several of it with narrower patterns, or move away what was read"
        )
    left = Left()
    plans, ledger = plan_files(found.files, config, context, stream)
    await _leave_unfinished(place, config, plans, left)
    plans = [plan for plan in plans if plan.file.partition not in left.reasons]
    left.reasons |= dict.fromkeys(found.unfinished, "unfinished by its name")
    if not plans and left.reasons:
        raise Transient(f"{config.shown}: {left.told()}", retry_in_place=False)
    return Survey(found.files, plans, ledger, left)


def plan_files(
    files: Sequence[SourceFile], config: FilesConfig, context: ExtractContext, stream: str
) -> tuple[list[FilePlan], Ledger]:
    """What the checkpoint knows of each. Raises Permanent: somebody edited it wrongly."""
    read_as = config.read_as()
    own = {partition for of, partition in context.checkpoint if of == stream} - {LEDGER, RECENT}
    ledger, resume = open_ledger(config, context, stream)
    plans = []
    for file in files:
        if file.partition in own or len(own) < MOST_OWN:
            own.add(file.partition)
            bookmark, walk = read_state(context, stream, file.partition, FileBookmark, Resume)
            plan = FilePlan(file, bookmark=bookmark, resume=walk)
        else:
            walk = resume if resume is not None and resume.file == file.partition else None
            plan = FilePlan(file, ledger, resume=walk)
        plan.unchanged = plan.looks_unchanged(read_as)
        plans.append(plan)
    # The one in hand first: the place where it broke off is kept only until another file is begun.
    plans.sort(key=lambda plan: not (plan.ledger is not None and plan.resume is not None))
    return plans, ledger


def open_ledger(config: FilesConfig, context: ExtractContext, stream: str) -> tuple[Ledger, Resume | None]:
    """And where the walk through one of its files broke off."""
    stored, _ = read_state(context, stream, LEDGER, LedgerBookmark, Resume)
    recent, resume = read_state(context, stream, RECENT, LedgerBookmark, Resume)
    return Ledger(stored, recent, config.read_as(), join_of(config.record_format)), resume


async def _leave_unfinished(place: Place, config: FilesConfig, plans: Sequence[FilePlan], left: Left) -> None:
    """Files that are locked, or changed so shortly ago that somebody may still be writing."""
    to_read = [plan for plan in plans if not plan.unchanged]
    for plan in to_read:
        if plan.file.locked:
            left.reasons[plan.file.partition] = "locked by a file beside it"
    young = [plan for plan in to_read if is_young(plan.file, config) and not plan.file.locked]
    if not young:
        return
    if config.min_age_s <= LONGEST_LOOK_S:
        youngest = min(_age_s(plan.file) for plan in young)
        await asyncio.sleep(max(0.0, min(config.min_age_s, config.min_age_s - youngest)))
    for plan in young:
        if config.min_age_s <= LONGEST_LOOK_S:
            try:
                if await place.look(plan.file) == plan.file.version:
                    continue
            except FileMissing:
                plan.done = True
                continue
        left.reasons[plan.file.partition] = f"changed less than {config.min_age_s:g} s ago"


def is_young(file: SourceFile, config: FilesConfig) -> bool:
    """By its time of change, where files grow while they are written: not in object stores and on the web.

    A time far ahead of ours is that of another clock and says nothing.
    """
    grows = config.address.kind in (Kind.LOCAL, Kind.SFTP)
    if not grows and "min_age_s" not in config.model_fields_set:
        return False
    if not file.from_pattern or file.version.mtime_ns is None:
        return False
    return abs(_age_s(file)) < config.min_age_s


def _age_s(file: SourceFile) -> float:
    return (time.time_ns() - (file.version.mtime_ns or 0)) / _NS
