"""A tap's output: one message a line, https://hub.meltano.com/singer/spec."""

from __future__ import annotations

from typing import Any

import msgspec


class Message(msgspec.Struct):
    """The fields of all types that are read; what else a message has is passed over."""

    type: str
    stream: str = ""
    record: dict[str, Any] | None = None
    version: int | None = None
    """Of RECORD and ACTIVATE_VERSION."""
    value: Any = None
    """Of STATE."""
    key_properties: list[str] | None = None
    """Of SCHEMA."""


class NoMessage(Exception):
    """A line that is none: what a library printed, or a record that cannot be read."""

    def __init__(self, why: str, stream: str = "") -> None:
        super().__init__(why)
        self.stream = stream
        """Of a RECORD that cannot be read."""


_decode = msgspec.json.Decoder(Message).decode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_message(line: bytes) -> Message:
    """Raises NoMessage."""
    try:
        return _decode(line)
    except _UNREADABLE as error:
        problem: Exception = error
    try:
        value = msgspec.json.decode(line)
    except _UNREADABLE:
        if line.lstrip().startswith(b'{"type": "RECORD"') or line.lstrip().startswith(b'{"type":"RECORD"'):
            raise NoMessage(f"not valid JSON ({problem})", stream="?") from None
        raise NoMessage("no JSON") from None
    if isinstance(value, dict) and value.get("type") == "RECORD":
        raise NoMessage(f"no record: {problem}", stream=str(value.get("stream") or "?")) from None
    raise NoMessage("no message") from None
