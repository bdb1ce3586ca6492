"""The line of the filter: typed after `/`, followed as one types, told for as long as it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from etl_core.errors import InvalidInput
from etl_core.models.job import JobRow
from etl_core.rules.job_filter import JobFilter, completions, parse_filter
from etl_core.rules.job_tone import Tone
from etl_tui.app.commands.host import CommandApp
from etl_tui.app.commands.past import FILTERS, Past
from etl_tui.app.look.cells import clean, cut
from etl_tui.app.look.slash_line import SlashInput, SlashLine
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look
from etl_tui.app.preferences import Preferences

LONGEST_TEXT = 500
TOLD_CELLS = 46


class _Completion(Suggester):
    """What the filter may go on with, dim behind the cursor; the right arrow or tab takes it."""

    def __init__(self, jobs: Callable[[], Sequence[JobRow]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._jobs = jobs

    async def get_suggestion(self, value: str) -> str | None:
        return next(iter(completions(value, self._jobs(), most=1)), None)


class _FilterInput(SlashInput):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "cursor_right", show=False),
        Binding("up", "remember(-1)", show=False),
        Binding("down", "remember(1)", show=False),
    ]

    def __init__(self, suggester: Suggester) -> None:
        super().__init__(compact=True, max_length=LONGEST_TEXT, select_on_focus=False, suggester=suggester)

    def action_remember(self, step: int) -> None:
        """An earlier filter, and back; behind the last one an empty line."""
        self.value = self.past.go(step)
        self.cursor_position = len(self.value)

    @cached_property
    def past(self) -> Past:
        """Filters from before, of the person rather than of this screen."""
        app = self.app
        return Past(app.preferences if isinstance(app, CommandApp) else Preferences(), FILTERS)


class FilterLine(SlashLine):
    """It says how many jobs are shown, and what is not understood."""

    _input: _FilterInput
    DEFAULT_CSS = """
    FilterLine #told { width: auto; min-width: 20; }
    """

    class Changed(Message):
        """Another filter is to be followed."""

        def __init__(self, filter: JobFilter) -> None:  # noqa: A002 - what it is
            super().__init__()
            self.filter = filter

    def __init__(self, look: Look, jobs: Callable[[], Sequence[JobRow]]) -> None:
        super().__init__(look, _FilterInput(_Completion(jobs)))
        self._told = StyledLine(look, "told")
        self._has_begun = False
        self._counts = (0, 0)
        self._refusal = ""

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield self._told

    @property
    def typed_into(self) -> Input | None:
        """The input while it waits for the focus, which comes a moment after `begin`."""
        return self._input if self._has_begun and not self._input.has_focus else None

    def begin(self) -> None:
        """Somebody wants to type."""
        self._has_begun = True
        super().begin()
        self._tell()

    def follow(self, text: str) -> None:
        """Another filter, as if it had been typed and kept.

        Raises:
            InvalidInput: it is not understood; the one before is followed on.
        """
        parse_filter(text)
        self._input.value = text
        self._input.past.add(self.text)
        self.set_class(bool(self.text), "-shown")

    def show_counts(self, shown: int, total: int) -> None:
        """How many jobs of how many meet the filter."""
        self._counts = shown, total
        self._tell()

    def _tell(self) -> None:
        if not self.has_class("-shown"):
            return
        shown, total = self._counts
        if self._refusal:
            pieces = [Piece(f" {cut(clean(self._refusal), TOLD_CELLS)} ", self._look.tone(Tone.FAILED))]
        else:
            pieces = [Piece(f" {shown:,} of {total:,} shown ", self._look.dim)]
        self._told.styles.width = sum(len(text) for text, _ in pieces)
        self._told.show(pieces)

    @on(Input.Changed)
    def _follow(self, event: Input.Changed) -> None:
        event.stop()
        try:
            found = parse_filter(event.value)
        except InvalidInput as refusal:  # the one before is followed on
            self._refusal = str(refusal)
            self._tell()
            return
        self._refusal = ""
        self.post_message(self.Changed(found))

    @on(Input.Submitted)
    def _keep(self, event: Input.Submitted) -> None:
        event.stop()
        if not self._refusal:
            self._input.past.add(self.text)
            self.leave()

    def leave(self) -> None:
        self._has_begun = False
        super().leave()
