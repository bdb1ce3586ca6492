"""A list of lines with a cursor, drawn where it is seen: 100,000 lines cost what a screenful does."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from etl_tui.app.look.cells import width_of
from etl_tui.app.look.styled_line import Piece, line_strip
from etl_tui.app.look.theme import Look

Item = TypeVar("Item")


class LineList(ScrollView, Generic[Item], can_focus=True):
    """One line for each item; what an item looks like is said by a subclass. Texts must be clean."""

    DEFAULT_CSS = """
    LineList { height: 1fr; width: 1fr; overflow-x: hidden; overflow-y: auto;
        scrollbar-size-vertical: 1; scrollbar-gutter: stable; background: $background; }
    """
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("pagedown,ctrl+f", "page(1)", show=False),
        Binding("pageup,ctrl+b", "page(-1)", show=False),
        Binding("home,g", "first", show=False),
        Binding("end,G", "last", show=False),
        Binding("enter", "open", show=False),
    ]

    class _About(Message):
        def __init__(self, lines: LineList[Any]) -> None:
            super().__init__()
            self.lines = lines

        @property
        def control(self) -> LineList[Any]:
            """What `@on` selects by."""
            return self.lines

    class Moved(_About):
        """The cursor stands on another item, or the item has changed."""

    class Opened(_About):
        """Enter, or a second click, on an item."""

    def __init__(self, look: Look, name: str | None = None, *, empty: str = "") -> None:
        super().__init__(id=name)
        self.look = look
        self.empty = empty
        """What is said when there is nothing to show; not before it is known."""
        self.follows_first = False
        """A cursor on the first item stays there when others come before it."""
        self._items: Sequence[Item] = ()
        self._known = False
        self._cursor = 0

    def pieces(self, item: Item, width: int) -> Sequence[Piece]:
        """The line of an item, for `width` cells."""
        raise NotImplementedError

    def key_of(self, item: Item) -> Hashable:
        """What stays the same of an item while it changes: the cursor stays on it."""
        return item

    @property
    def items(self) -> Sequence[Item]:
        return self._items

    @property
    def cursor(self) -> int:
        return self._cursor

    @property
    def current(self) -> Item | None:
        """The item under the cursor."""
        return self._items[self._cursor] if self._cursor < len(self._items) else None

    def show_items(self, items: Sequence[Item]) -> None:
        """Shows these; the cursor stays on its item, or where that was."""
        before = self.current
        self._items, self._known = items, True
        if before is not None and not (self.follows_first and self._cursor == 0):
            key = self.key_of(before)
            if not (self._cursor < len(items) and self.key_of(items[self._cursor]) == key):
                found = next((i for i, item in enumerate(items) if self.key_of(item) == key), self._cursor)
                self._cursor = max(0, min(found, len(items) - 1))
        self.virtual_size = Size(self._inner_width, len(items))
        if self.is_mounted:
            self.scroll_to(y=min(self.scroll_offset.y, self.max_scroll_y), animate=False, force=True)
            self._keep_in_sight()
        self.refresh()
        if self.current is not None and self.current != before:
            self.post_message(self.Moved(self))

    def go_to(self, index: int) -> None:
        """Puts the cursor there."""
        index = max(0, min(index, len(self._items) - 1))
        if self._items and index != self._cursor:
            self._cursor = index
            self._keep_in_sight()
            self.refresh()
            self.post_message(self.Moved(self))

    def lines_shown(self) -> list[str]:
        """What is drawn, for tests and for whoever reads the screen aloud."""
        return [self.render_line(y).text.rstrip() for y in range(self.size.height)]

    def render_line(self, y: int) -> Strip:
        width, index = self._inner_width, self.scroll_offset.y + y
        if index >= len(self._items):
            text = f" {self.empty}" if self._known and not self._items and y == 0 else ""
            return line_strip(self.look, [Piece(text, self.look.dim)], width=width)
        strip = line_strip(self.look, self.pieces(self._items[index], width), width=width)
        if index == self._cursor and self.has_focus:
            selected = self.look.on_selected
            strip = Strip(
                [Segment(text, selected(style or self.look.text)) for text, style, _ in strip], width
            )
        return strip

    def action_move(self, lines: int) -> None:
        self.go_to(self._cursor + lines)

    def action_page(self, pages: int) -> None:
        self.go_to(self._cursor + pages * max(1, self.size.height - 1))

    def action_first(self) -> None:
        self.go_to(0)

    def action_last(self) -> None:
        self.go_to(len(self._items) - 1)

    def action_open(self) -> None:
        if self.current is not None:
            self.post_message(self.Opened(self))

    def on_click(self, event: events.Click) -> None:
        index = self.scroll_offset.y + event.y
        if index < len(self._items):
            self.go_to(index)
            if event.chain == 2:
                self.action_open()

    def on_resize(self) -> None:
        self.virtual_size = Size(self._inner_width, len(self._items))
        self._keep_in_sight()

    @property
    def _inner_width(self) -> int:
        return self.scrollable_content_region.width

    def _keep_in_sight(self) -> None:
        top, height = self.scroll_offset.y, self.size.height
        if self._items and not top <= self._cursor < top + height:
            # Half a page at once: a line at a time sends the whole screen for every key.
            self.scroll_to(y=max(0, self._cursor - height // 2), animate=False, force=True)


def padded(text: str, cells: int) -> str:
    """The text and blanks to this width; a longer one as it is."""
    return text + " " * (cells - width_of(text))
