"""A whole document as lines of JSON."""

from __future__ import annotations

from collections.abc import Sequence

from etl_core.rules.checkpoints.exact_json import Json, dump
from etl_tui.app.look.cells import clean
from etl_tui.app.look.line_list import LineList
from etl_tui.app.look.styled_line import Piece
from etl_tui.app.look.theme import Look


class JsonView(LineList[str]):
    """Lines are kept as text and drawn where they are seen."""

    def __init__(self, look: Look, name: str = "json") -> None:
        super().__init__(look, name, empty="null")

    def show_json(self, value: Json) -> None:
        self.show_items([] if value is None else dump(value, indent=2).split("\n"))

    def show_text(self, text: str) -> None:
        """What cannot be read as JSON, as it is stored."""
        self.show_items(text.splitlines())

    def find(self, needle: str, step: int = 1) -> bool:
        """Goes to the next line that holds the text, in any case; whether there is one."""
        needle, count = needle.lower(), len(self.items)
        for offset in range(1, count + 1):
            index = (self.cursor + step * offset) % count
            if needle in self.items[index].lower():
                self.go_to(index)
                return True
        return False

    def pieces(self, item: str, width: int) -> Sequence[Piece]:
        content = item.lstrip(" ")
        return [Piece(" " + " " * (len(item) - len(content)) + clean(content), self.look.text)]
