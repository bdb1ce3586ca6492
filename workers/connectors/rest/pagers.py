"""From one page to the next: what a position is, what it asks for, and what follows it.

A position is JSON, so that a checkpoint can keep it; {} is the first page. Pure: nothing is requested here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, TypeAlias, assert_never

import msgspec

from etl_core.errors import Permanent
from workers.connectors.rest.answers import Answer
from workers.connectors.rest.manifest import paging
from workers.connectors.rest.manifest.kinds import compile_expression

Position: TypeAlias = dict[str, Any]
Records: TypeAlias = Sequence[Any]

REMEMBERED: Final = 16
"""Of the records of a page, so many are known again in the next (offset)."""
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[\w*!#$&+.^`|~-]+\s*(?:=\s*(?:"[^"]*"|[^\s;,"]*))?)*)')
_ATTRIBUTE = re.compile(r';\s*([\w*-]+)\s*=\s*(?:"([^"]*)"|([^\s;,"]*))')


class TooFar(Exception):
    """The API gives no page behind this one: `most` of the offset is reached."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a position asks for: a whole URL, or parameters beside those of the stream."""

    url: str | None = None
    params: dict[str, str | int] | None = None


class Pager:
    """The way through one list; keeps nothing between two pages."""

    def __init__(self, how: paging.Pagination, key: Sequence[str] = ()) -> None:
        """`key` are the fields by which a record is known again."""
        self._how = how
        self._key = key

    def ask(self, at: Position) -> Asked:
        """The request for a position; `seek` is asked for by its walk, which knows the cursor's parameter."""
        how = self._how
        if "url" in at:
            return Asked(url=at["url"])
        match how:
            case paging.Cursor():
                params: dict[str, str | int] = {how.size_param: how.size} if how.size_param else {}
                if "cursor" in at:
                    params[how.param] = at["cursor"]
                return Asked(params=params)
            case paging.PageNumber():
                params = {how.param: at.get("page", how.first)}
                if how.size_param and how.size:
                    params[how.size_param] = how.size
                return Asked(params=params)
            case paging.Offset():
                return Asked(params={how.param: at.get("offset", 0), how.limit_param: how.limit})
            case paging.Seek():
                params = {how.size_param: how.size}
                if at.get("page", 1) > 1:
                    params[how.page_param] = at["page"]
                return Asked(params=params)
        return Asked(params={})

    def follow(  # noqa: PLR0911 - a way each
        self, at: Position, answer: Answer, records: Records
    ) -> Position | None:
        """The position behind an answer; None: it was the last.

        Raises:
            TooFar: the API does not go on, though there is more. Permanent: it cannot be told what follows.
        """
        how = self._how
        match how:
            case paging.Single():
                return None
            case paging.LinkHeader():
                return _url(answer, link(answer.header("link"), how.rel, how.only_if))
            case paging.NextUrl():
                return _url(answer, compile_expression(how.url).search(answer.body))
            case paging.ODataDelta():
                return _url(answer, compile_expression(how.next).search(answer.body))
            case paging.Cursor():
                return _follow_cursor(how, answer)
            case paging.PageNumber():
                return _follow_page(how, at, answer, records)
            case paging.Offset():
                return self._follow_offset(how, at, answer, records)
            case paging.Seek():
                raise AssertionError("a walk that seeks knows itself what follows")
        assert_never(how)

    def delta(self, answer: Answer) -> str | None:
        """Where the next run begins, if the answer says so."""
        if not isinstance(self._how, paging.ODataDelta):
            return None
        found = _url(answer, compile_expression(self._how.delta).search(answer.body))
        return None if found is None else str(found["url"])

    def _follow_offset(
        self, how: paging.Offset, at: Position, answer: Answer, records: Records
    ) -> Position | None:
        offset = int(at.get("offset", 0))
        known = [self._digest(record) for record in records]
        expected = at.get("last", [])
        if expected and offset and not set(expected) & set(known):
            # Records before this page are gone, so others slid past us: look for them further back.
            back = int(at.get("back", how.overlap)) * 2
            return {"offset": max(0, offset - back), "last": expected, "back": back}
        if how.more is not None:
            is_last = not compile_expression(how.more).search(answer.body)
        elif how.total is not None:
            total = compile_expression(how.total).search(answer.body)
            is_last = not isinstance(total, int) or offset + len(records) >= total
        else:
            is_last = len(records) < how.limit
        if is_last or not records:
            return None
        behind = offset + max(len(records) - how.overlap, 1)
        if how.most is not None and behind + how.limit > how.most:
            raise TooFar
        return {"offset": behind, "last": known[-REMEMBERED:]} if how.overlap else {"offset": behind}

    def _digest(self, record: Any) -> str:
        known_by = record
        if self._key and isinstance(record, dict) and all(name in record for name in self._key):
            known_by = [record[name] for name in self._key]
        return blake2b(msgspec.json.encode(known_by, order="sorted"), digest_size=6).hexdigest()


def link(header: str | None, rel: str, only_if: dict[str, str]) -> str | None:
    """The target of a relation in a Link header (RFC 8288), if its attributes are those."""
    for target, written in _LINK.findall(header or ""):
        attributes = {name.lower(): quoted or bare for name, quoted, bare in _ATTRIBUTE.findall(written)}
        if rel in attributes.get("rel", "").split():
            fits = all(attributes.get(name.lower()) == wanted for name, wanted in only_if.items())
            return str(target) if fits else None
    return None


def _url(answer: Answer, found: Any) -> Position | None:
    if found is None or found == "":
        return None
    if not isinstance(found, str):
        raise Permanent(f"{answer.told}: the next page's URL is no text; see `pagination` of the manifest")
    return {"url": answer.join(found)}


def _follow_cursor(how: paging.Cursor, answer: Answer) -> Position | None:
    found = (
        answer.header(how.header) if how.header else compile_expression(how.cursor or "@").search(answer.body)
    )
    if found in (None, "", False) or (how.more and not compile_expression(how.more).search(answer.body)):
        return None
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise Permanent(f"{answer.told}: the cursor is no text; see `pagination` of the manifest")
    return {"cursor": found}


def _follow_page(how: paging.PageNumber, at: Position, answer: Answer, records: Records) -> Position | None:
    number = int(at.get("page", how.first))
    is_short = how.size is not None and len(records) < how.size
    if how.more is not None:
        is_last = not compile_expression(how.more).search(answer.body)
    elif how.pages is not None:
        pages = compile_expression(how.pages).search(answer.body)
        is_last = not isinstance(pages, int) or number - how.first + 1 >= pages
    else:
        is_last = is_short
    return None if is_last or not records else {"page": number + 1}
