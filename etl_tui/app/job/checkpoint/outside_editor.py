"""A text in the person's own editor, while the app gives it the terminal."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from textual.app import App, SuspendNotSupported

from etl_core.errors import EtlError, InvalidInput

USUAL = "vi"


def edit_outside(app: App[int], text: str) -> str:
    """The text as $VISUAL, $EDITOR or vi leaves it; the file is the person's alone, and gone afterwards.

    Raises:
        InvalidInput: there is no such editor. EtlError: it ended with an error, or no terminal can be given.
    """
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or USUAL)
    with tempfile.TemporaryDirectory(prefix="etl-tui-") as folder:
        file = Path(folder) / "checkpoint.json"
        file.write_text(text + "\n", encoding="utf-8")
        try:
            with app.suspend():
                ended = subprocess.run([*command, str(file)], check=False)
        except SuspendNotSupported:
            raise EtlError("this terminal cannot be given to an editor; e edits here") from None
        except OSError as error:
            raise InvalidInput(f"$EDITOR: {command[0]}: {error.strerror}; e edits here") from None
        if ended.returncode != 0:
            raise EtlError(f"{command[0]} ended with {ended.returncode}: nothing is taken from it")
        return file.read_text(encoding="utf-8")
