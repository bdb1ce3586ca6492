"""What a command prints: lines and tables for people, one JSON document for programs, never both."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, TextIO


class Output:
    """`--json` prints exactly one document on stdout; everything that is not the answer goes to stderr."""

    def __init__(self, *, json: bool = False, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.json = json
        self._stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr

    @property
    def is_terminal(self) -> bool:
        return self._stdout.isatty()

    def emit(self, document: Any) -> None:
        """Prints pydantic models, mappings and sequences of them as one JSON document."""
        from pydantic_core import to_json

        self._stdout.write(to_json(document, indent=2).decode() + "\n")

    def line(self, text: str = "") -> None:
        """A line for people; silent under `--json`."""
        if not self.json:
            self._stdout.write(text + "\n")

    def notice(self, text: str) -> None:
        """A remark beside the answer, on stderr."""
        self._stderr.write(text + "\n")

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Aligned columns; numbers to the right; silent under `--json`."""
        cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
        widths = [max(len(line[i]) for line in [list(headers), *cells]) for i in range(len(headers))]
        right = [bool(rows) and all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(headers))]
        for line in [list(headers), *cells]:
            padded = (
                text.rjust(width) if is_right else text.ljust(width)
                for text, width, is_right in zip(line, widths, right, strict=True)
            )
            self.line("  ".join(padded).rstrip())
