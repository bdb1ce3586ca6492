"""An event of the audit as a sentence. Pure functions; older events may lack what newer ones tell.

The sentence goes on after who did it: "ana" "held it: token is renewed". Times in it are as they were stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from etl_core.rules.intervals import humanise_minutes

LONGEST = 400
"""Characters; the event holds the rest."""

Detail = Mapping[str, Any]
Told = Callable[[Detail], str]


def event_sentence(action: str, detail: Detail, *, run_id: int | None = None) -> str:
    """What was done, in one line: `changed the schedule from 1 hour to 4 hours`, `ran it: run 5120`."""
    told = _SENTENCES.get(action)
    try:
        text = told(detail) if told else _of_unknown(action, detail)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):  # told in another form, once
        text = _of_unknown(action, detail)
    if run_id is not None and action not in _WITHOUT_RUN:
        text = f"{text} (run {run_id})"
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def activity_sentence(actor: str, place: str, sentence: str) -> str:
    """The same with its actor and place, for a feed of many jobs: `ana held acme/orders: noisy`."""
    named = sentence.replace(" it:", f" {place}:", 1) if place and " it:" in sentence else ""
    if not named and place and sentence.endswith(" it"):
        named = f"{sentence.removesuffix(' it')} {place}"
    if not named:
        named = f"{sentence} · {place}" if place else sentence
    return f"{actor} {named}"


def _run_now(detail: Detail) -> str:
    options = detail.get("options") or {}
    replay = options.get("replay_rejects")
    if replay:
        if replay.get("all"):
            return "replayed all rejects"
        chosen = replay.get("ids")
        return f"replayed {_count(len(chosen), 'reject')}" if chosen else f"replayed {replay['stream']}"
    words = [_OPTIONS.get(name, name) for name, value in options.items() if value]
    return f"ran it, {', '.join(words)}" if words else "ran it"


_OPTIONS = {
    "evolve": "its tables may take new fields",
    "allow_deletions": "more than half of a table may be marked deleted",
    "full_refresh": "all is read again",
}


def _backfill(detail: Detail) -> str:
    streams = f" of {', '.join(detail['streams'])}" if detail.get("streams") else ""
    rate = f", {detail['rate']:g} records a second at most" if detail.get("rate") else ""
    return f"read {detail['start']} to {detail['end']}{streams} again{rate}"


def _settings(detail: Detail) -> str:
    names = ("the schedule", "the retry interval")
    told = [
        f"{name} from {_interval(before)} to {_interval(after)}"
        for name, before, after in zip(names, detail["before"], detail["after"], strict=False)
        if before != after
    ]
    return f"changed {' and '.join(told)}" if told else "saved the settings as they were"


def _cancel(detail: Detail) -> str:
    return f"cancelled its run{_why(detail)}"


def _hold(detail: Detail) -> str:
    minutes = detail.get("minutes")
    span = f" for {humanise_minutes(minutes)}" if minutes else ""
    return f"held it{span}{_why(detail)}" if span else f"held it{_why(detail)}"


def _clear(detail: Detail) -> str:
    before = detail.get("before") or detail
    what = [
        word
        for word, there in (
            ("the hold", before.get("held") or before.get("hold_reason")),
            ("the failure", before.get("error") or before.get("error_message")),
            ("the snooze", before.get("not_before")),
        )
        if there
    ]
    failures = before.get("retry_count")
    if failures:
        what.append(f"{_count(failures, 'failure')} in a row")
    return f"cleared {_and(what)}" if what else "cleared it"


def _snooze(detail: Detail) -> str:
    until = detail.get("after", detail.get("until"))
    return f"snoozed it until {_moment(until)}" if until else "ended its snooze"


def _limit(detail: Detail) -> str:
    after = detail.get("after", detail.get("max_runs"))
    told = "took the limit of runs away" if after is None else f"let {_count(after, 'run')} go on at once"
    return f"{told} on {detail['place']}{_before(detail)}"


def _window(verb: str) -> Told:
    def tell(detail: Detail) -> str:
        window = detail.get("after") or detail.get("before") or detail.get("window")
        if not isinstance(window, Mapping):
            return f"{verb} blackout window {window}"
        hours = f"{str(window['starts'])[:5]} to {str(window['ends'])[:5]} {window['time_zone']}"
        return f"{verb} a blackout window, {hours}{_why(window)}"

    return tell


def _config(detail: Detail) -> str:
    before, after = detail.get("before") or {}, detail.get("after") or {}
    names = sorted({*before, *after})
    changed = [name for name in names if before.get(name) != after.get(name)]
    what = f": {', '.join(changed)}" if changed else ""
    return f"changed the configuration of {detail['integration']}{what}"


def _loading(detail: Detail) -> str:
    before, after = detail.get("before") or {}, detail.get("after") or {}
    told = [
        f"{word} from {_shown(before.get(name))} to {_shown(after.get(name))}"
        for name, word in (("schema_mode", "the schema mode"), ("destination_url", "the destination"))
        if before.get(name) != after.get(name)
    ]
    return f"changed {_and(told) or 'nothing'} of {detail['integration']}"


def _stream(detail: Detail) -> str:
    return f"{detail['stream']} of {detail['integration']}"


def _lost(detail: Detail) -> str:
    batch = f" with batch {detail['batch']} in hand" if detail.get("batch") else ""
    return f"took over from worker {detail['worker']}, which was lost{batch}"


def _checkpoint(verb: str) -> Told:
    def tell(detail: Detail) -> str:
        version = detail.get("version")
        to = detail.get("to") or detail.get("to_version")
        target = f" to v{to}" if isinstance(to, int) else f" to {to}" if to else ""
        cut = f" (v{version})" if version is not None else ""
        return f"{verb} the checkpoint{target}{cut}{_why(detail)}"

    return tell


def _recovered(detail: Detail) -> str:
    return f"recovered after {_count(int(detail['failures']), 'failure')} in a row"


def _change(what: str, show: Callable[[Any], str]) -> Told:
    def tell(detail: Detail) -> str:
        return f"changed {what} from {show(detail['before'])} to {show(detail['after'])}"

    return tell


def _of_unknown(action: str, detail: Detail) -> str:
    return f"{action.replace('_', ' ')}{_why(detail)}"


def _why(detail: Detail) -> str:
    reason = detail.get("reason")
    return f": {reason}" if reason else ""


def _before(detail: Detail) -> str:
    return f" (before: {_shown(detail['before'])})" if "before" in detail else ""


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)


def _interval(minutes: Any) -> str:
    return "none" if minutes is None else humanise_minutes(int(minutes))


def _moment(text: Any) -> str:
    return str(text)[:16].replace("T", " ")


def _count(count: int, word: str) -> str:
    return f"1 {word}" if count == 1 else f"{count:,} {word}s"


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


_WITHOUT_RUN = frozenset({"ddl"})

_SENTENCES: dict[str, Told] = {
    "run_now": _run_now,
    "backfill": _backfill,
    "settings": _settings,
    "set_deadline": _change("the deadline", _interval),
    "set_max_failures": _change("the failures in a row that switch it off", str),
    "assign_integration": _change("the integration", _shown),
    "enable": lambda detail: f"switched it on{_why(detail)}",
    "disable": lambda detail: f"switched it off{_why(detail)}",
    "switched_off": lambda detail: f"switched it off{_why(detail)}",
    "add_job": lambda detail: f"added it on {detail['integration']}",
    "cancel": _cancel,
    "release": lambda detail: f"took its run from worker {detail['worker']}",
    "hold": _hold,
    "end_hold": lambda detail: f"took back its hold{_why(detail)}",
    "clear": _clear,
    "snooze": _snooze,
    "pause": lambda detail: f"paused {detail['place']}{_why(detail)}",
    "resume": lambda detail: f"resumed {detail['place']}, which was paused{_why(detail)}",
    "limit": _limit,
    "add_window": _window("added"),
    "remove_window": _window("removed"),
    "drain": lambda detail: f"let worker {detail['host']}:{detail['pid']} drain",
    "undrain": lambda detail: f"let worker {detail['host']}:{detail['pid']} work again",
    "drop_rejects": lambda detail: f"dropped {_count(detail['count'], 'reject')}{_why(detail)}",
    "correct_reject": lambda detail: (
        f"corrected reject {detail['reject']} of {detail['stream']}{_why(detail)}"
    ),
    "checkpoint_clear": _checkpoint("cleared"),
    "checkpoint_edit": _checkpoint("edited"),
    "checkpoint_set": _checkpoint("edited"),
    "checkpoint_drop_resume": _checkpoint("dropped the resume part of"),
    "checkpoint_rewind": _checkpoint("rewound"),
    "add_tenant": lambda detail: f"added tenant {detail['name']}",
    "add_integration": lambda detail: f"added integration {detail['integration']} ({detail['type']})",
    "change_config": _config,
    "change_loading": _loading,
    "rotate_secrets": lambda detail: f"gave {_count(detail['secrets'], 'secret')} a new key",
    "vectorize": lambda detail: f"let {detail['stream']} of {detail['integration']} be vectorized",
    "stop_vectorizing": lambda detail: (
        f"ended the vectorizing of {detail['stream']} of {detail['integration']}"
    ),
    "purge_dead": lambda detail: f"purged {_count(detail['messages'], 'dead message')}",
    "worker_lost": _lost,
    "failed": lambda detail: f"failed: {detail['error']}" if detail.get("error") else "failed",
    "recovered": _recovered,
    "mend": lambda detail: f"mended a contradiction: {detail['found']}",
    "ddl": lambda detail: f"changed a table: {detail['statement']}",
}
