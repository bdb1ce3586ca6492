"""What a command prints: lines and tables for people, one JSON document for programs, never both."""

from __future__ import annotations

import io
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any, TextIO

_UNSEEN = ("Cc", "Cf", "Cs")
"""Categories of characters that a terminal may obey, or that turn a line around."""


def harmless(text: str) -> str:
    """Text from outside with control and formatting characters as `?`; line ends stay.

    No escape sequence that came with the data is obeyed by the terminal, nor does it turn the line around.
    """
    return "".join("?" if char != "\n" and unicodedata.category(char) in _UNSEEN else char for char in text)


def escaped(document: str) -> str:
    """A JSON document with control and formatting characters as `\\u009b`: the same values to a reader.

    Such stand in its texts alone, but for the line ends between them.
    """
    unseen = {
        ord(char): _unit_escapes(char)
        for char in set(document)
        if char != "\n" and unicodedata.category(char) in _UNSEEN
    }
    return document.translate(unseen) if unseen else document


def _unit_escapes(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def one_line(text: str) -> str:
    """Text from outside (an error, a name) fit for one line: `harmless`, blanks for line ends and tabs."""
    return harmless(" ".join(text.split()))


def cell_width(text: str) -> int:
    """Columns that a terminal needs: 2 for wide characters, 0 for combining ones."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


class ReaderGone(Exception):
    """Stdout is a pipe that nobody reads any more. Told apart from a network connection that broke."""


class Output:
    """`--json` prints exactly one document on stdout; everything that is not the answer goes to stderr."""

    def __init__(
        self, *, json: bool = False, stdout: TextIO | None = None, stderr: TextIO | None = None
    ) -> None:
        self.json = json
        self._stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr
        if isinstance(self._stdout, io.TextIOWrapper):
            # JSON is UTF-8 whatever the locale; for people a glyph the locale lacks is no reason to fail.
            self._stdout.reconfigure(encoding="utf-8" if json else None, errors=None if json else "replace")

    @property
    def is_terminal(self) -> bool:
        """Whether a person watches the answer."""
        return self._stdout.isatty()

    def shows(self, text: str) -> bool:
        """Whether stdout's encoding has these characters."""
        try:
            text.encode(self._stdout.encoding or "utf-8")
        except UnicodeEncodeError:
            return False
        return True

    def emit(self, document: Any) -> None:
        """Prints pydantic models, dataclasses, mappings and sequences of them as one JSON document."""
        from pydantic_core import to_json

        self.emit_text(to_json(document, indent=2, inf_nan_mode="null").decode())

    def emit_text(self, document: str) -> None:
        """Prints a JSON document that was written elsewhere, where its numbers must stay as they are."""
        self._write(escaped(document) + "\n")

    def line(self, text: str = "") -> None:
        """A line for people; silent under `--json`."""
        if not self.json:
            self._write(text + "\n")

    def fields(self, pairs: Sequence[tuple[str, object]]) -> None:
        """`label  value` lines, values aligned; a None value is left out; silent under `--json`."""
        told = [(label, one_line(str(value))) for label, value in pairs if value is not None]
        width = max((cell_width(label) for label, _ in told), default=0)
        for label, value in told:
            self.line(f"{label}{' ' * (width - cell_width(label))}  {value}")

    def notice(self, text: str) -> None:
        """A remark beside the answer, on stderr."""
        self._stderr.write(one_line(text) + "\n")
        self._stderr.flush()

    def overwrite(self, text: str) -> None:
        """Writes the terminal's current line anew, without ending it; an empty text clears it."""
        self._write(f"\r{text}\x1b[K")
        self.flush()

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Aligned columns; numbers to the right, a None is an empty cell; silent under `--json`."""
        if self.json:
            return
        cells = [["" if cell is None else one_line(str(cell)) for cell in row] for row in rows]
        lines = [list(headers), *cells]
        widths = [max(cell_width(line[column]) for line in lines) for column in range(len(headers))]
        right = [
            bool(rows) and all(cell is None or type(cell) in (int, float) for cell in column)
            for column in zip(*rows, strict=True)
        ] or [False] * len(headers)
        for line in lines:
            padded = []
            for text, width, to_the_right in zip(line, widths, right, strict=True):
                blanks = " " * (width - cell_width(text))
                padded.append(blanks + text if to_the_right else text + blanks)
            self.line("  ".join(padded).rstrip())

    def flush(self) -> None:
        try:
            self._stdout.flush()
        except BrokenPipeError:
            raise ReaderGone from None

    def _write(self, text: str) -> None:
        try:
            self._stdout.write(text)
        except BrokenPipeError:
            raise ReaderGone from None
