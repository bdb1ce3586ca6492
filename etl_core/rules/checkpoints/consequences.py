"""What will happen after a repair: which streams read again, from when, about how many rows. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum

from etl_core.rules.checkpoints.diff import DocumentDiff, PartitionChange
from etl_core.rules.checkpoints.document import Document
from etl_core.rules.checkpoints.exact_json import Json
from etl_core.rules.checkpoints.times import moment_of, span_words

WHOLE = "*"
"""Stands for all streams, where a document does not tell them apart."""


class Effect(IntEnum):
    """What the next run does with a partition; the gravest first."""

    EVERYTHING = 1
    """It reads it from the beginning."""
    AGAIN = 2
    """It reads again what it has had, from an earlier bookmark."""
    WALK_AGAIN = 3
    """Its walk begins again, at the bookmark that stays."""
    ELSEWHERE = 4
    """It goes on from another place, and nobody can say whether before or behind."""
    MID_WALK = 5
    """It goes on in the middle of a walk."""
    SKIPS = 6
    """It starts later: what lies between is not read."""

    @property
    def reads_again(self) -> bool:
        return self <= Effect.ELSEWHERE


@dataclass(frozen=True, slots=True)
class PastRun:
    """What an ended run read, the newest first in a sequence of them."""

    finished_at: datetime
    rows: int
    streams: Mapping[str, int] | None = None
    """Rows of each stream; None: not known."""


@dataclass(frozen=True, slots=True)
class StreamEffect:
    """What will happen to some partitions of a stream."""

    stream: str
    effect: Effect
    partitions: int
    of_partitions: int
    """All that the stream has, before or after."""
    since: datetime | None
    """From when the earliest of them is read again (or, of SKIPS, until when the latest is left out)."""
    rows: int | None
    """About how many; None: past runs do not say."""
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Consequences:
    """What will happen, the gravest first."""

    streams: tuple[StreamEffect, ...]
    untouched: int
    """Partitions that stay exactly as they are."""

    @property
    def rows(self) -> int | None:
        """About how many rows are read again in all; None: past runs do not say."""
        known = [one.rows for one in self.streams if one.rows is not None and one.effect.reads_again]
        return sum(known) if known else None

    @property
    def sentences(self) -> tuple[str, ...]:
        told = [one.sentence for one in self.streams]
        if self.untouched:
            stay = "stays as it is" if self.untouched == 1 else "stay as they are"
            told.append(f"{_partitions(self.untouched)} {stay}")
        return tuple(told)


def consequences(
    before: Document,
    after: Document,
    difference: DocumentDiff,
    *,
    now: datetime,
    runs: Sequence[PastRun] = (),
    since: datetime | None = None,
) -> Consequences:
    """What the next run does, as far as values and past runs tell.

    `since` is when the version was cut that a rewind goes back to: what runs read after it is read again.
    """
    if before.other is not None or after.other is not None:
        sentence = "the document is replaced as a whole: what its connector makes of it is not known here"
        effect = Effect.EVERYTHING if after.is_empty else Effect.ELSEWHERE
        if after.is_empty:
            sentence = "all streams are read from the beginning"
        return Consequences((StreamEffect(WHOLE, effect, 1, 1, None, _largest(runs), sentence),), 0)
    grouped: dict[tuple[Effect, str], list[tuple[PartitionChange, datetime | None]]] = defaultdict(list)
    for change in difference.partitions:
        found = effect_of(change)
        if found is not None:
            grouped[found[0], change.place.stream].append((change, found[1]))
    told = []
    for (effect, stream), changes in sorted(grouped.items()):
        total = max(len(before.streams.get(stream, ())), len(after.streams.get(stream, ())))
        moments = [moment for _, moment in changes if moment is not None]
        earliest = (max if effect is Effect.SKIPS else min)(moments, default=None)
        rows = _rows(effect, stream, runs, since or earliest, single=len(before.streams) <= 1)
        if rows is not None:
            rows = round(rows * len(changes) / max(total, 1))
        found_effect = StreamEffect(stream, effect, len(changes), total, earliest, rows)
        told.append(replace(found_effect, sentence=_sentence(found_effect, now)))
    gone_or_changed = sum(change.before is not None for change in difference.partitions)
    return Consequences(tuple(told), len(before) - gone_or_changed)


def effect_of(change: PartitionChange) -> tuple[Effect, datetime | None] | None:
    """What the next run does with a partition, and the moment that counts; None: nothing else than before."""
    after = change.after
    if after is None or (after.bookmark is None and after.resume is None):
        return Effect.EVERYTHING, None
    moment = moment_of(after.bookmark)
    if change.bookmark is not None and after.bookmark is not None:
        old = change.before and change.before.bookmark
        return _effect_of_bookmark(old, after.bookmark, moment), moment
    if change.bookmark is None and change.resume is None:
        return None
    return (Effect.WALK_AGAIN if after.resume is None else Effect.MID_WALK), moment


def _effect_of_bookmark(old: Json, new: Json, will_be: datetime | None) -> Effect:
    if old is None:
        return Effect.SKIPS
    was = moment_of(old)
    if was is not None and will_be is not None and was != will_be:
        return Effect.AGAIN if will_be < was else Effect.SKIPS
    return {-1: Effect.AGAIN, 1: Effect.SKIPS}.get(_direction(old, new), Effect.ELSEWHERE)


def key_less_warning(effects: Consequences, keyless: Collection[str]) -> str | None:
    """Streams whose rows are appended a second time; None: none."""
    again = sorted(
        {one.stream for one in effects.streams if one.effect.reads_again and one.stream in keyless}
    )
    if any(one.stream == "*" and one.effect.reads_again for one in effects.streams):
        again = sorted(keyless)
    if not again:
        return None
    named = ", ".join(again)
    return f"{named}: without a key, so what is read again is appended again, not compared"


def _direction(old: Json, new: Json) -> int:
    """-1: every number in it is lower or the same, 1: higher; 0: nobody can say."""
    pairs = [(old, new)]
    signs = set()
    while pairs:
        before, after = pairs.pop()
        if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
            pairs += [(before[name], after[name]) for name in before]
        elif isinstance(before, (bool, str, list)) or before is None or type(before) is not type(after):
            if before != after:
                return 0
        elif isinstance(before, dict):
            return 0
        elif before != after:
            signs.add(1 if after > before else -1)
    return signs.pop() if len(signs) == 1 else 0


def _largest(runs: Sequence[PastRun]) -> int | None:
    return max((run.rows for run in runs), default=None)


def _rows(
    effect: Effect, stream: str, runs: Sequence[PastRun], since: datetime | None, *, single: bool
) -> int | None:
    known = []
    for run in runs:
        rows = run.streams.get(stream) if run.streams is not None else run.rows if single else None
        if rows is not None:
            known.append((run.finished_at, rows))
    if not known or effect in (Effect.SKIPS, Effect.MID_WALK):
        return None
    if effect is Effect.EVERYTHING:
        return max(rows for _, rows in known)
    if effect is Effect.WALK_AGAIN or since is None:
        return known[0][1]
    return sum(rows for finished_at, rows in known if finished_at > since)


def _sentence(effect: StreamEffect, now: datetime) -> str:
    some, total, since = effect.partitions, effect.of_partitions, effect.since
    who = effect.stream if some == total == 1 else f"{effect.stream} ({some:,} of {_partitions(total)})"
    when = f"{since:%Y-%m-%d %H:%M} UTC, {span_words(now - since)} back" if since else ""
    what = {
        Effect.EVERYTHING: "reads everything again",
        Effect.AGAIN: f"reads again from {when}" if when else "reads again from an earlier bookmark",
        Effect.WALK_AGAIN: "begins its walk again at its bookmark" + (f" ({when})" if when else ""),
        Effect.ELSEWHERE: "goes on from another place" + (f" ({when})" if when else ""),
        Effect.MID_WALK: "goes on in mid-walk; a source may refuse so old a place",
        Effect.SKIPS: "starts later"
        + (f", at {since:%Y-%m-%d %H:%M} UTC" if since else "")
        + ": what lies before is not read",
    }[effect.effect]
    return f"{who} {what}" + (f", about {effect.rows:,} rows" if effect.rows is not None else "")


def _partitions(count: int) -> str:
    return f"{count:,} partition{'' if count == 1 else 's'}"
