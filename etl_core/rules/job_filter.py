"""The filter language of the grid: `status:failed tenant:acme error~timeout overdue late>1h -github`.

Terms stand apart by blanks and must all hold. A term is

- a word: somewhere in tenant/job_name, the integration or its type (`github`, `acme/git`);
- a state: `ready`, `running`, `finished`, `failed`, `held`, `off`, `overdue`, `waiting`;
- `FIELD:VALUE`: the field is the value; `*` stands for any text, `?` for a character, commas give a choice
  (`status:failed,held`);
- `FIELD~TEXT`: the field holds the text;
- `FIELD>NUMBER`, also `<`, `>=`, `<=`, `=`: of times minutes, `90m`, `1.5h` or `2days`, else plain numbers.

`-` before a term turns it round; quotes keep blanks together (`error~"rate limit"`). Case does not count.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, TypeAlias

from etl_core.errors import InvalidInput
from etl_core.rules.intervals import parse_interval

if TYPE_CHECKING:
    from etl_core.models.job import JobRow

Test: TypeAlias = Callable[["JobRow", datetime], bool]
"""Whether a job is meant, at a moment of the database's clock."""

_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
_FIELD = re.compile(r"(?P<field>[a-z_]+)(?P<op>:|~|>=|<=|>|<|=)")
_PIECE = re.compile(r"""(?:[^\s"]|"[^"]*("|$))+""")


@dataclass(frozen=True, slots=True)
class JobFilter:
    """A filter that was understood; the empty one means every job."""

    text: str
    tests: Sequence[Test] = ()

    def __bool__(self) -> bool:
        return bool(self.tests)

    def matches(self, job: JobRow, now: datetime) -> bool:
        """Whether all terms hold for the job at this moment."""
        return all(test(job, now) for test in self.tests)


def parse_filter(text: str) -> JobFilter:
    """Understands a filter.

    Raises:
        InvalidInput: one sentence that names the term and says what there is.
    """
    return JobFilter(text.strip(), tuple(_parse_term(piece[0]) for piece in _PIECE.finditer(text)))


def completions(text: str, jobs: Sequence[JobRow], *, most: int = 8) -> list[str]:
    """How the term at the end of the text may go on: whole filters, the likeliest first."""
    last = text.rsplit(maxsplit=1)[-1] if text and not text[-1].isspace() else ""
    before = text[: len(text) - len(last)]
    sign = "-" if last.startswith("-") else ""
    begun = last.removeprefix("-").casefold()
    field, colon, value = begun.partition(":")
    if colon and field in _TEXTS:
        chosen, _, value = value.rpartition(",")
        known = _values(field, jobs)
        lead = f"{field}:{chosen + ',' if chosen else ''}"
        ways = [lead + _quoted(name) for name in known if name.casefold().startswith(value)]
    else:
        ways = [word for word in _WORDS if begun and word.startswith(begun) and word != begun]
    return [f"{before}{sign}{way}" for way in ways[:most]]


def _parse_term(piece: str) -> Test:
    if piece == "-":
        raise InvalidInput("a lone - turns nothing round: write -github, -status:ready")
    term = piece.casefold().removeprefix("-")
    split = _FIELD.match(term)
    field, op = (split["field"], split["op"]) if split else ("", "")
    value = term[split.end() if split else 0 :].replace('"', "")
    if not op:
        test = _word(value)
    elif field in _TEXTS and op in (":", "~", "="):
        test = _text_test(field, op, _told(piece, value))
    elif field in _NUMBERS:
        test = _number_test(piece, field, op, _told(piece, value))
    elif field in _TEXTS:
        raise InvalidInput(f"{piece}: {field} is a text: write {field}:VALUE or {field}~TEXT")
    else:
        raise InvalidInput(f"{piece}: there is no {field}: write {', '.join((*_TEXTS, *_NUMBERS))}")
    return _turned_round(test) if piece.startswith("-") else test


def _told(piece: str, value: str) -> str:
    if not value:
        raise InvalidInput(f"{piece}: what is it to be? a value is missing")
    return value


def _turned_round(test: Test) -> Test:
    return lambda job, now: not test(job, now)


def _word(word: str) -> Test:
    if word in _STATES:
        return _STATES[word]

    def holds(job: JobRow, _: datetime) -> bool:
        found = f"{job.tenant}/{job.job_name}\n{job.integration or ''}\n{job.integration_type or ''}"
        return word in found.casefold()

    return holds


def _text_test(field: str, op: str, value: str) -> Test:
    read = _TEXTS[field]
    if op == "~":
        return lambda job, now: value in read(job).casefold()
    choice = value.split(",")
    if field == "status" and (
        unknown := [word for word in choice if word not in _STATES and "*" not in word]
    ):
        raise InvalidInput(f"status:{unknown[0]}: write {', '.join(_STATES)}")
    if field == "status":
        return lambda job, now: any(
            _STATES[word](job, now) if word in _STATES else fnmatchcase(job.status.casefold(), word)
            for word in choice
        )
    return lambda job, now: any(fnmatchcase(read(job).casefold(), pattern) for pattern in choice)


def _number_test(piece: str, field: str, op: str, value: str) -> Test:
    if op == "~":
        raise InvalidInput(f"{piece}: {field} is a number: write {field}>{'1h' if field in _TIMES else '10'}")
    compare = _COMPARISONS["=" if op == ":" else op]
    read = _NUMBERS[field]
    try:
        bound = float(parse_interval(value)) if field in _TIMES else float(value.replace(",", ""))
    except ValueError:
        told = "an interval: write 90m, 1.5h or 2days" if field in _TIMES else "a number: write 10 or 1000"
        raise InvalidInput(f"{piece}: {value!r} is not {told}") from None

    def holds(job: JobRow, now: datetime) -> bool:
        number = read(job, now)
        return number is not None and compare(number, bound)

    return holds


def _age(moment: datetime | None, now: datetime) -> float:
    """Minutes; what never was is older than anything."""
    return math.inf if moment is None else (now - moment).total_seconds() / 60


def _late(job: JobRow, now: datetime) -> float | None:
    """Minutes since it was due; of what runs or is not due, nothing."""
    if job.status == "RUNNING" or job.due_at is None or job.due_at >= now:
        return None
    return _age(job.due_at, now)


def _is_waiting(job: JobRow, now: datetime) -> bool:
    return bool(job.obstacle_kind or job.run_wait_reason or (job.not_before and job.not_before > now))


_STATES: Final[Mapping[str, Test]] = {
    "ready": lambda job, now: job.status == "READY",
    "running": lambda job, now: job.status == "RUNNING",
    "finished": lambda job, now: job.status == "FINISHED",
    "failed": lambda job, now: job.status == "FAILED",
    "held": lambda job, now: job.held,
    "off": lambda job, now: not job.active,
    "overdue": lambda job, now: _late(job, now) is not None,
    "waiting": _is_waiting,
}
_TEXTS: Final[Mapping[str, Callable[[JobRow], str]]] = {
    "status": lambda job: job.status,
    "tenant": lambda job: job.tenant,
    "job": lambda job: job.job_name,
    "integration": lambda job: job.integration or "",
    "type": lambda job: job.integration_type or "",
    "error": lambda job: job.error_message or "",
    "kind": lambda job: job.error_kind or "",
    "note": lambda job: job.obstacle or job.run_wait_reason or job.hold_reason or job.off_reason or "",
}
_NUMBERS: Final[Mapping[str, Callable[[JobRow, datetime], float | None]]] = {
    "late": _late,
    "every": lambda job, now: job.schedule_interval_minutes,
    "retry": lambda job, now: job.retry_interval_minutes,
    "retries": lambda job, now: job.retry_count,
    "rows": lambda job, now: job.rows_extracted,
    "rejected": lambda job, now: job.rows_rejected,
    "age": lambda job, now: _age(job.last_run_finished_at, now),
    "success": lambda job, now: _age(job.last_success_at, now),
}
_TIMES: Final = frozenset({"late", "every", "retry", "age", "success"})
_WORDS: Final = (*_STATES, *(f"{name}:" for name in _TEXTS), *(f"{name}>" for name in _NUMBERS))


def _values(field: str, jobs: Sequence[JobRow]) -> list[str]:
    if field == "status":
        return list(_STATES)
    read = _TEXTS[field]
    return sorted({read(job) for job in jobs} - {""}, key=str.casefold)


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"\s", value) else value
