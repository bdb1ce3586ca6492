"""The part of JQL that a connector needs, parsed for real: clauses joined by AND, and ORDER BY.

As Jira reads it: a bare number is epoch milliseconds; a quoted date has minutes at best and is read in the
time zone of the account; a project that the account cannot see is an error, not an empty result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from .records import Issue, Project

Condition = Callable[[Issue], bool]
_TOKENS = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<op>>=|<=|!=|[=<>(),])|(?P<word>[^\s"'=<>!(),]+))"""
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    "<": lambda a, b: a < b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
_DATES = ("%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M", "%Y-%m-%d", "%Y/%m/%d")
_UNITS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


class JqlError(Exception):
    """What a 400 says in `errorMessages`."""


class _Token(NamedTuple):
    text: str
    is_quoted: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. `is_bounded`: it has a condition, without which the cloud refuses it."""

    conditions: tuple[Condition, ...]
    order: tuple[tuple[str, bool], ...]
    """(field, is descending)"""

    @property
    def is_bounded(self) -> bool:
        return bool(self.conditions)

    def matches(self, issue: Issue) -> bool:
        return all(condition(issue) for condition in self.conditions)

    def sorted(self, issues: Sequence[Issue], *, precision_ms: int = 1) -> list[Issue]:
        """In the order asked for; by id where that does not tell."""
        found = sorted(issues, key=lambda issue: issue.id)
        for name, descends in reversed(self.order):
            found.sort(key=lambda issue: sort_value(issue, name, precision_ms), reverse=descends)
        return found


def sort_value(issue: Issue, name: str, precision_ms: int = 1) -> Any:
    if name in ("key", "issuekey"):
        prefix, number = issue.key.rsplit("-", 1)
        return (prefix, int(number))
    if name in ("updated", "created"):
        return getattr(issue, name) // precision_ms
    return issue.id


def parse(jql: str, *, projects: Sequence[Project], zone: str, now_ms: int, precision_ms: int = 1) -> Query:
    """`projects`: those that the account may browse. `precision_ms`: of times in the index.

    Raises:
        JqlError: it is no JQL, or asks for what is not here.
    """
    return _Parser(_tokens(jql), projects, ZoneInfo(zone), now_ms, precision_ms).query()


def _tokens(jql: str) -> list[_Token]:
    found, at = [], 0
    text = jql.rstrip()
    while at < len(text):
        match = _TOKENS.match(text, at)
        if match is None:
            raise JqlError(f"Error in the JQL Query: The character at {at} is a reserved JQL character.")
        at = match.end()
        quoted = match["text"]
        found.append(_Token(quoted[1:-1], True) if quoted else _Token(match["op"] or match["word"]))
    return found


class _Parser:
    def __init__(
        self,
        tokens: list[_Token],
        projects: Sequence[Project],
        zone: ZoneInfo,
        now_ms: int,
        precision_ms: int,
    ) -> None:
        self._tokens = tokens
        self._projects = projects
        self._zone = zone
        self._now_ms = now_ms
        self._precision_ms = precision_ms
        self._at = 0

    def query(self) -> Query:
        conditions: list[Condition] = []
        if self._tokens and not self._is("order"):
            conditions.append(self._clause())
            while self._is("and"):
                self._at += 1
                conditions.append(self._clause())
        order: list[tuple[str, bool]] = []
        if self._is("order"):
            self._at += 1
            self._expect("by")
            order.append(self._sorting())
            while self._is(","):
                self._at += 1
                order.append(self._sorting())
        if self._at < len(self._tokens):
            raise JqlError(
                f"Error in the JQL Query: Expecting operator but got '{self._tokens[self._at].text}'."
            )
        return Query(tuple(conditions), tuple(order))

    def _clause(self) -> Condition:
        name = self._next().text.lower()
        negated = False
        if self._is("not"):
            self._at += 1
            negated = True
        operator = self._next().text.lower()
        if operator == "in":
            return self._membership(name, self._list(), negated)
        if operator not in _COMPARE:
            raise JqlError(f"Error in the JQL Query: Expecting operator but got '{operator}'.")
        value = self._next()
        if name in ("updated", "created"):
            bound = self._moment(name, value) // self._precision_ms
            compare, precision = _COMPARE[operator], self._precision_ms
            return lambda issue: compare(getattr(issue, name) // precision, bound)
        if operator in ("=", "!="):
            return self._membership(name, [value], operator == "!=")
        if name == "id" and value.text.isdigit():
            compare, number = _COMPARE[operator], int(value.text)
            return lambda issue: compare(issue.id, number)
        raise JqlError(f"The operator '{operator}' is not supported by the '{name}' field.")

    def _membership(self, name: str, values: list[_Token], negated: bool) -> Condition:
        if name == "project":
            wanted = {self._project(value.text) for value in values}
            return lambda issue: (issue.project_id in wanted) is not negated
        if name in ("id", "key", "issuekey", "issue"):
            texts = {value.text for value in values}
            return lambda issue: (issue.key in texts or str(issue.id) in texts) is not negated
        raise JqlError(f"Field '{name}' does not exist or you do not have permission to view it.")

    def _project(self, text: str) -> int:
        for project in self._projects:
            if text in (str(project.id), project.key, project.name):
                return project.id
        raise JqlError(f"The value '{text}' does not exist for the field 'project'.")

    def _moment(self, name: str, value: _Token) -> int:
        if not value.is_quoted and value.text.isdigit():
            return int(value.text)
        relative = re.fullmatch(r"-(\d+)([mhdw])", value.text)
        if relative:
            return self._now_ms - int(relative[1]) * _UNITS[relative[2]]
        for form in _DATES:
            try:
                local = datetime.strptime(value.text, form).replace(tzinfo=self._zone)
            except ValueError:
                continue
            return int(local.timestamp()) * 1_000
        raise JqlError(
            f"Date value '{value.text}' for field '{name}' is invalid. Valid formats include: "
            "'yyyy/MM/dd HH:mm', 'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period e.g. '-5d'."
        )

    def _sorting(self) -> tuple[str, bool]:
        name = self._next().text.lower()
        if name not in ("updated", "created", "key", "issuekey", "id"):
            raise JqlError(f"Not able to sort using field '{name}'.")
        descends = self._is("desc")
        if descends or self._is("asc"):
            self._at += 1
        return name, descends

    def _list(self) -> list[_Token]:
        self._expect("(")
        values = [self._next()]
        while self._is(","):
            self._at += 1
            values.append(self._next())
        self._expect(")")
        return values

    def _is(self, word: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at] in (_Token(word), _Token(word.upper()))

    def _next(self) -> _Token:
        if self._at >= len(self._tokens):
            raise JqlError("Error in the JQL Query: Expecting a value before the end of the query.")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, word: str) -> None:
        found = self._next()
        if found.is_quoted or found.text.lower() != word:
            raise JqlError(f"Error in the JQL Query: Expecting '{word}' but got '{found.text}'.")


def local_text(ms: int, zone: str) -> str:
    """A time as Jira writes it: milliseconds, and the offset of the account's time zone without a colon."""
    moment = datetime.fromtimestamp(ms // 1_000, ZoneInfo(zone)) + timedelta(milliseconds=ms % 1_000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1_000:03}" + moment.strftime("%z")
