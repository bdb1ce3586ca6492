"""What a change of a checkpoint says in a line: "octo/app: bookmark +3 h, 412 pull requests"."""

from __future__ import annotations

from decimal import Decimal

from etl_core.rules.checkpoints.diff import Change, DocumentDiff, PartitionChange
from etl_core.rules.checkpoints.document import SINGLE, Document, PartitionValue, Place
from etl_core.rules.checkpoints.exact_json import Json, dump, same
from etl_core.rules.checkpoints.times import as_moment, moment_of, span_words

_MOST_TEXT = 24
_MOST_TOLD = 3
_COUNTERS = ("count", "records", "rows", "through", "offset", "done", "next", "line", "page", "runs", "files")


def place_title(place: Place) -> str:
    """What a partition is called beside others: its own name, the stream's where there is just one."""
    return place.stream if place.partition == SINGLE else f"{place.stream}/{place.partition}"


def summary(change: PartitionChange) -> str:
    """What became of one partition, without its name: `bookmark +3 h, count +412`; `gone`; `new, at ...`."""
    before, after = change.before, change.after
    if after is None:
        return "gone"
    if before is None:
        return f"new{_standing(after)}"
    stream, told = change.place.stream, []
    if change.bookmark is not None:
        told.append(
            f"bookmark {_part(change.bookmark, before.bookmark, after.bookmark, change.place.stream)}"
        )
    if change.resume is not None:
        told.append(f"resume {_part(change.resume, before.resume, after.resume, stream)}")
    if before.schema_version != after.schema_version:
        told.append(f"form {before.schema_version} → {after.schema_version}")
    return "; ".join(told)


def headline(difference: DocumentDiff) -> str:
    """All of it in a line: `3 changed, 1 new`, `nothing changed`, `the document as a whole`."""
    told = [
        f"{number:,} {change}"
        for change in (Change.CHANGED, Change.NEW, Change.GONE)
        if (number := difference.count(change))
    ]
    if not same(difference.other_before, difference.other_after):
        old, new = difference.other_before, difference.other_after
        told.insert(0, "older document " + ("new" if old is None else "gone" if new is None else "changed"))
    return ", ".join(told) or "nothing changed"


def size_words(document: Document) -> str:
    """`2 streams, 40 partitions`; `empty`; `a document of an older form`."""
    if document.is_empty:
        return "empty"
    if document.other is not None:
        return "a document of another form"
    streams, partitions = len(document.streams), len(document)
    told = f"{streams:,} stream{'' if streams == 1 else 's'}"
    return told if partitions == streams else f"{told}, {partitions:,} partitions"


def value_text(value: Json) -> str:
    """A value short enough for a line."""
    text = value if isinstance(value, str) else dump(value)
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 1] + "…"


def _standing(value: PartitionValue) -> str:
    moment = moment_of(value.bookmark)
    if moment is not None:
        return f", at {moment:%Y-%m-%d %H:%M} UTC"
    return ", in mid-walk" if value.resume is not None and value.bookmark is None else ""


def _part(change: Change, old: Json, new: Json, stream: str) -> str:
    if change is not Change.CHANGED:
        return change.value
    told = []
    before, after = moment_of(old), moment_of(new)
    if before and after and before != after:
        told.append(f"{'+' if after > before else '-'}{span_words(after - before)}")
    if isinstance(old, dict) and isinstance(new, dict):
        told += _fields(old, new, stream, with_times=not told)
    return ", ".join(told[:_MOST_TOLD]) or "changed"


def _fields(old: dict[str, Json], new: dict[str, Json], stream: str, *, with_times: bool) -> list[str]:
    """The fields that differ, counters first."""
    counters: list[str] = []
    others: list[str] = []
    for name in [*new, *(name for name in old if name not in new)]:
        before, after = old.get(name), new.get(name)
        if same(before, after):
            continue
        if as_moment(after, name) is not None and not with_times:
            continue
        if before is not None and after is not None and _is_number(before) and _is_number(after):
            step = Decimal(after) - Decimal(before)
            told = f"{step:+,}"
            what = stream.replace("_", " ") if name in ("count", "records", "rows") else name
            (counters if name in _COUNTERS else others).append(
                f"{told.removeprefix('+')} {what}" if what != name and step > 0 else f"{what} {told}"
            )
        elif isinstance(before, list) and isinstance(after, list) and len(before) != len(after):
            others.append(f"{name} {len(after) - len(before):+,}")
        elif isinstance(after, (dict, list)) or isinstance(before, (dict, list)):
            others.append(f"{name} changed")
        else:
            others.append(f"{name} {value_text(before)} → {value_text(after)}")
    return counters + others


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)
