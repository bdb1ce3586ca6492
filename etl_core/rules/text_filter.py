"""The filter of the lists beside the jobs: words that a row must hold. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_TERM = re.compile(r'(-?)(?:([a-z]+):)?(?:"([^"]*)"?|(\S+))', re.IGNORECASE)

Term = Callable[[Mapping[str, str]], bool]


@dataclass(frozen=True, slots=True)
class TextFilter:
    """Every term must hold: `word` in any field, `field:word` in that one, `-term` not; quotes keep blanks.

    A field that a row does not have makes the term an ordinary word: nothing that one types is refused.
    """

    text: str
    terms: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    def matches(self, fields: Mapping[str, str]) -> bool:
        """`fields` are the texts of a row by their names in lower case."""
        return all(term(fields) for term in self.terms)


def parse_text_filter(text: str) -> TextFilter:
    """What was typed; capitals do not matter."""
    found = []
    for minus, field, quoted, bare in _TERM.findall(text):
        word = (quoted or bare).casefold()
        if word and word != "-" and not bare.endswith(":"):  # else it is still being typed
            found.append(_term(field.casefold(), word, is_not=bool(minus)))
    return TextFilter(text.strip(), tuple(found))


def _term(field: str, word: str, *, is_not: bool) -> Term:
    def holds(fields: Mapping[str, str]) -> bool:
        if field in fields:
            return (word in fields[field].casefold()) is not is_not
        wanted = f"{field}:{word}" if field else word
        return any(wanted in value.casefold() for value in fields.values()) is not is_not

    return holds
