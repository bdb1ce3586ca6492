"""What a command keeps for its next run, and the file in which it finds and leaves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from etl_core.errors import Permanent
from workers.subprocesses.run_folder import write_private

MOST_BYTES = 1 << 20


class Bookmark(BaseModel):
    """What the command left when it last ended well.

    A JSON object or list as such, so that people can read and edit it; anything else is text, character for
    character, but for line ends at its end.
    """

    model_config = ConfigDict(extra="forbid")

    value: dict[str, Any] | list[Any] | str


class Resume(BaseModel):
    """There is none: a command that broke off begins again at its bookmark."""

    model_config = ConfigDict(extra="forbid")


def write_checkpoint(path: Path, bookmark: Bookmark | None) -> None:
    """The file that the command finds; empty where there is nothing yet."""
    value = "" if bookmark is None else bookmark.value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    write_private(path, text.encode())


def read_checkpoint(path: Path) -> Bookmark | None:
    """What the command left; None where it left nothing: then what it found stays.

    Raises:
        Permanent: what it left cannot be kept.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Permanent(f"the checkpoint that the command left cannot be read ({error.strerror})") from None
    if len(content) > MOST_BYTES:
        raise Permanent(f"the command left a checkpoint of more than {MOST_BYTES >> 20} MB")
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise Permanent("the checkpoint that the command left is no text in UTF-8") from None
    if not text.strip():
        return None
    value: Any = text
    if text.lstrip()[0] in "{[":
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
    if "\0" in text or "\\u0000" in text:
        raise Permanent("the checkpoint that the command left holds a NUL character, which cannot be stored")
    return Bookmark(value=value)
