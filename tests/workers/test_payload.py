"""What is stored is what comes back, and nothing stored can harm the reader."""

from __future__ import annotations

import json
import uuid
from collections import OrderedDict
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from workers import payload
from workers.payload import (
    UnreadablePayload,
    UnstorablePage,
    decode,
    decoded_size,
    encode,
    encode_record,
)

TEXT = st.text(st.characters(codec=None, exclude_categories=()))  # NUL and lone surrogates included
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(TEXT, values, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(TEXT, st.lists(st.dictionaries(TEXT, JSON, max_size=4), max_size=4), max_size=3))
def test_json_comes_back_as_it_was(records: dict[str, Any]) -> None:
    assert decode(encode(records)) == records


def test_what_is_not_json_becomes_its_json_text() -> None:
    record = {
        "at": datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
        "naive": datetime(2024, 2, 29, 12, 30),
        "day": date(2024, 2, 29),
        "id": uuid.UUID(int=7),
        "price": Decimal("1.10"),
        "raw": b"\x00\xff",
        "nan": float("nan"),
        "pair": (1, 2),
    }
    assert decode(encode({"s": [MappingProxyType(record)]})) == {
        "s": [
            {
                "at": "2024-02-29T12:30:00Z",
                "naive": "2024-02-29T12:30:00",
                "day": "2024-02-29",
                "id": "00000000-0000-0000-0000-000000000007",
                "price": "1.10",
                "raw": "AP8=",
                "nan": None,
                "pair": [1, 2],
            }
        ]
    }


@pytest.mark.parametrize("stored", [b"", b"\x00abc", b"\x09", encode({})[1:]])
def test_an_unknown_version_is_named(stored: bytes) -> None:
    with pytest.raises(UnreadablePayload, match="payload version"):
        decode(stored)


@pytest.mark.parametrize("body", [b"", b"not zstd", zstandard.compress(b"{"), zstandard.compress(b"[]")])
def test_damage_is_told(body: bytes) -> None:
    with pytest.raises(UnreadablePayload, match="damaged"):
        decode(b"\x01" + body)


def test_a_torn_payload_is_damaged() -> None:
    with pytest.raises(UnreadablePayload, match="damaged"):
        decode(encode({"s": [{"a": "x" * 100_000 + str(i)} for i in range(10)]})[:-5])


@pytest.mark.parametrize("sized", [True, False])
def test_a_bomb_is_never_unpacked(sized: bool) -> None:
    bomb = b"\x01" + zstandard.ZstdCompressor(write_content_size=sized).compress(b" " * 50_000_000)
    assert len(bomb) < 10_000
    with pytest.raises(UnreadablePayload, match="larger than 1000000 bytes"):
        decode(bomb, max_bytes=1_000_000)


def test_what_could_not_be_read_back_is_not_stored() -> None:
    with pytest.raises(UnstorablePage, match="smaller pages"):
        encode({"s": [{"a": "x" * 2_000}]}, max_bytes=1_000)
    with pytest.raises(UnstorablePage, match="not JSON: object is not a JSON value"):
        encode({"s": [{"a": object()}]})


@pytest.mark.parametrize(
    "record", [{"a": "\ud800\x00"}, {"a": object()}, {"a": OrderedDict(b=1)}, {"a": 10**30}, {("a",): 1}]
)
def test_a_record_can_always_be_shown(record: Any) -> None:
    assert encode_record(record).decode()


def test_a_lone_surrogate_is_shown_as_json() -> None:
    assert json.loads(encode_record({"a": "\ud800"})) == {"a": "\ud800"}


def test_the_beginning_of_a_payload_tells_its_size() -> None:
    stored = encode({"s": [{"a": "x" * 300_000}]})
    assert decoded_size(stored[:19]) == decoded_size(stored) == len('{"s":[{"a":""}]}') + 300_000
    assert decoded_size(None) == decoded_size(b"\x01no zstd") == 0
    unsized = b"\x01" + zstandard.ZstdCompressor(write_content_size=False).compress(b"{}")
    assert decoded_size(unsized) == 0
    assert decode(unsized) == {}


def test_a_large_page_is_read_record_by_record(monkeypatch: pytest.MonkeyPatch) -> None:
    records = {"s": [{"a": n, "b": [{}, None]} for n in range(9)], "t": []}
    monkeypatch.setattr(payload, "LARGE", 50)
    found = decode(encode(records))
    assert not any(isinstance(each, list) for each in found.values())
    assert {name: list(each) for name, each in found.items()} == records
    assert (found["s"][8], found["s"][-1], len(found["s"])) == (records["s"][8], records["s"][8], 9)
    assert list(found["s"][2:4]) == records["s"][2:4]
    with pytest.raises(UnreadablePayload, match="damaged"):
        decode(payload.compress(payload.RAW, b'["' + b"x" * 100 + b'"]'))
