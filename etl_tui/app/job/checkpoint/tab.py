"""Where the job stands: the tree at the left, at the right its versions and what differs between them."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import ClassVar

import asyncpg
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize

from etl_core.control import checkpoints as control
from etl_core.models.checkpoint import CheckpointVersion, CurrentCheckpoint, VersionDiff
from etl_core.models.job import JobRow
from etl_core.rules.checkpoints.document import Document
from etl_core.rules.checkpoints.exact_json import dump
from etl_core.rules.checkpoints.summaries import size_words
from etl_core.rules.job_tone import Tone
from etl_tui.app.commands.job import CHECKPOINT
from etl_tui.app.commands.registry import bindings
from etl_tui.app.job.checkpoint import versions as version_list
from etl_tui.app.job.checkpoint.diff_list import DiffList, diff_title
from etl_tui.app.job.checkpoint.json_view import JsonView
from etl_tui.app.job.checkpoint.repairing import Repairing
from etl_tui.app.job.checkpoint.tree import CheckpointTree
from etl_tui.app.job.checkpoint.tree_lines import TreeLine
from etl_tui.app.job.checkpoint.value_words import size_text
from etl_tui.app.job.checkpoint.versions import VersionList
from etl_tui.app.job.desk import Desk
from etl_tui.app.job.latest import run_latest
from etl_tui.app.job.prompt_line import PromptLine
from etl_tui.app.job.tab import JobTab
from etl_tui.app.look.cells import clean
from etl_tui.app.look.line_list import LineList
from etl_tui.app.look.styled_line import Piece, StyledLine

VERSIONS = 300
"""So many of the newest are listed."""
LARGE = 256 * 1024
LARGE_EVERY = 10.0
"""A document of more bytes than LARGE that moves is looked at so seldom, in seconds."""
NARROW = 70
DIFF_AFTER = 0.12
"""Seconds that the cursor rests on a version before its difference is asked for."""


class CheckpointTab(JobTab):
    """Tab goes from the tree to versions and differences; on few cells it shows one of both."""

    TITLE: ClassVar[str] = "Checkpoint"
    PLACE: ClassVar[str] = CHECKPOINT
    BINDINGS: ClassVar[list[BindingType]] = bindings(CHECKPOINT)
    DEFAULT_CSS = """
    CheckpointTab #cp-tree-side { width: 46%; }
    CheckpointTab #cp-side { width: 1fr; border-left: solid $line; }
    CheckpointTab #versions { height: 2fr; min-height: 3; }
    CheckpointTab #diff { height: 3fr; }
    CheckpointTab.-raw-diff #versions { height: 3; }
    CheckpointTab #json { display: none; }
    CheckpointTab.-json #json { display: block; }
    CheckpointTab.-json #tree { display: none; }
    CheckpointTab.-narrow #cp-tree-side { width: 1fr; }
    CheckpointTab.-narrow #cp-side { display: none; border-left: none; }
    CheckpointTab.-narrow.-side #cp-side { display: block; }
    CheckpointTab.-narrow.-side #cp-tree-side { display: none; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        look = desk.look
        self._title = StyledLine(look, "cp-title")
        self._notice = StyledLine(look, "cp-notice")
        self._notice.display = False
        self.tree_view = CheckpointTree(look, desk.clock)
        self._json = JsonView(look)
        self.versions = VersionList(look, desk.clock)
        self._diff_title = StyledLine(look, "diff-title")
        self._diff = DiffList(look)
        self._prompt = PromptLine(look)
        self.checkpoint: CurrentCheckpoint | None = None
        self._shown_version: int | None = None
        """A version that is looked at in the place of the one that holds."""
        self._found: VersionDiff | None = None
        self._raw_diff = False
        self._diffed: tuple[int | None, ...] = ()
        self._large_at = 0.0
        self._repairing = Repairing(self, desk)

    def compose(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="cp-tree-side"):
                yield self._title
                yield self._notice
                yield self.tree_view
                yield self._json
                yield self._prompt
            with Vertical(id="cp-side"):
                titles = StyledLine(self.desk.look, "versions-title")
                titles.show([Piece(version_list.TITLE, self.desk.look.dim)])
                yield titles
                yield self.versions
                yield self._diff_title
                yield self._diff

    def on_mount(self) -> None:
        self._draw_title()

    def on_resize(self, event: Resize) -> None:
        # Not `self.size`: that may still be the one before.
        self.set_class(event.size.width < NARROW, "-narrow")

    def take_focus(self) -> None:
        (self._json if self.has_class("-json") else self.tree_view).focus()

    def tick(self) -> None:
        self.tree_view.refresh()
        self._draw_title()

    # What is asked for

    def state_of(self, job: JobRow) -> tuple[int, ...]:
        if self.checkpoint is not None and self.checkpoint.bytes > LARGE and job.status == "RUNNING":
            return (int(time.monotonic() / LARGE_EVERY), job.run_id or 0)
        return super().state_of(job)

    async def load(self) -> None:
        async def read(conn: asyncpg.Connection) -> tuple[CurrentCheckpoint, list[CheckpointVersion]]:
            job_id = self.desk.job.id
            current = await control.read_checkpoint(conn, job_id)
            return current, await control.list_versions(conn, job_id, limit=VERSIONS)

        if answer := await self.desk.ask(read):
            self.checkpoint, found = answer
            if self._shown_version is None:
                self._show_document(self.checkpoint.document)
            self.versions.show_items(found)
            self._show_notice()
            self._draw_title()
            self._begin_diff(at_once=True)

    def _show_document(self, document: Document) -> None:
        current = self.checkpoint
        if current is not None and current.raw is not None and self._shown_version is None:
            self.add_class("-json")
            self._json.show_text(current.raw)
            return
        self.tree_view.show_document(document)
        if self.has_class("-json"):
            self._json.show_json(document.as_json())

    def _show_notice(self) -> None:
        current = self.checkpoint
        notices = [] if current is None else [*filter(None, [current.uneditable]), *current.notices]
        self._notice.display = bool(notices)
        if notices:
            tone = Tone.WAITING
            text = f" {tone.glyph} {clean('; '.join(notices))}"
            self._notice.show([Piece(text, self.desk.look.tone(tone))])

    def _draw_title(self) -> None:
        look, current = self.desk.look, self.checkpoint
        if current is None:
            self._title.show([Piece(" CHECKPOINT", look.dim)])
            return
        version = f"v{current.version}" if current.version else ""
        if current.is_moving:
            version = f"{version} and moving" if version else "moving"
        told = f"  {size_words(current.document)}, {size_text(current.bytes)}" if current.version else ""
        pieces = [Piece(" CHECKPOINT  ", look.dim), Piece(version, look.title), Piece(told, look.dim)]
        if self._shown_version is not None:
            pieces = [
                Piece(" CHECKPOINT  ", look.dim),
                Piece(f"v{self._shown_version}", look.tone(Tone.WAITING)),
                Piece(f", not v{current.version} that holds; esc", look.dim),
            ]
        self._title.show(pieces)

    # Versions and what differs

    @on(LineList.Moved, "#versions")
    def _version_moved(self) -> None:
        self._begin_diff()

    def _begin_diff(self, *, at_once: bool = False) -> None:
        version = self.versions.current
        if version is None:
            self._diff_title.show([])
            self._diff.show_nothing("")
            return
        current = self.checkpoint
        moving = current is not None and current.is_moving and version.is_newest
        before = self.versions.marked if self.versions.marked != version.version else None
        after = None if moving and before is None else version.version
        row = self.desk.job.rows_extracted if moving else None
        wanted = (before, after, version.version, row)
        if wanted != self._diffed or not at_once:
            show = partial(self._show_diff, before, after, wanted, at_once=at_once)
            run_latest(self, show, "diff")

    async def _show_diff(
        self, before: int | None, after: int | None, wanted: tuple[int | None, ...], *, at_once: bool
    ) -> None:
        if not at_once:
            await asyncio.sleep(DIFF_AFTER)
        job_id = self.desk.job.id
        one, other = (before, after) if before is None or after is None else sorted((before, after))
        found = await self.desk.ask(lambda conn: control.diff_versions(conn, job_id, one, other))
        self._diffed = wanted
        self._found = found
        self._draw_diff()

    def _draw_diff(self) -> None:
        found = self._found
        if found is None:
            self._diff_title.show([Piece(" DIFF", self.desk.look.dim)])
            self._diff.show_nothing("cannot be told")
            return
        self._diff_title.show([Piece(clean(diff_title(found)), self.desk.look.dim)])
        self._diff.show_diff(found, raw=self._raw_diff)

    @on(LineList.Opened, "#versions")
    async def _open_version(self) -> None:
        """Shows the version in the tree; the one that holds when it is shown already."""
        version = self.versions.current
        current = self.checkpoint
        if version is None or current is None:
            return
        if version.version in (self._shown_version, current.version):
            self._show_holding()
            return
        number, job_id = version.version, self.desk.job.id
        document = await self.desk.ask(lambda conn: control.read_version(conn, job_id, number))
        if document is not None:
            self._shown_version = number
            self._show_document(document)
            self._draw_title()

    def _show_holding(self) -> None:
        if self.checkpoint is not None and self._shown_version is not None:
            self._shown_version = None
            self._show_document(self.checkpoint.document)
            self._draw_title()

    def action_mark(self) -> None:
        self.versions.toggle_mark()
        self._begin_diff()

    def action_pane(self) -> None:
        """Round through tree, versions and difference; on few cells the side that is gone to is shown."""
        if self.versions.has_focus:
            self._diff.focus()
        elif self._diff.has_focus:
            self.remove_class("-side")
            self.take_focus()
        else:
            self.add_class("-side")
            self.versions.focus()

    def action_diff(self) -> None:
        self._raw_diff = not self._raw_diff
        self.set_class(self._raw_diff, "-raw-diff")
        if self.has_class("-narrow"):
            self.add_class("-side")
            self._diff.focus()
        if self._found is not None:
            self._draw_diff()

    # The document

    def leave_mode(self) -> bool:
        if self._prompt.clear():
            self._search_ended()
            return True
        if self._shown_version is not None:
            self._show_holding()
            return True
        return False

    def action_fold_all(self) -> None:
        self.tree_view.fold_every(is_open=False)

    def action_unfold_all(self) -> None:
        self.tree_view.fold_every(is_open=True)

    def action_search(self) -> None:
        self._prompt.begin()

    @on(PromptLine.Changed)
    def _search(self, event: PromptLine.Changed) -> None:
        if self.has_class("-json"):
            found = bool(event.text) and self._json.find(event.text)
            self._prompt.tell("" if found or not event.text else "not found")
            return
        self.tree_view.search(event.text)
        self._prompt.tell(f"{len(self.tree_view.items):,} lines" if event.text else "")

    @on(PromptLine.Kept)
    def _search_ended(self) -> None:
        if not self._prompt.text:
            self.tree_view.search("")
        self.take_focus()

    @on(PromptLine.GivenUp)
    def _give_search_up(self) -> None:
        self._prompt.clear()
        self._search_ended()

    def action_raw_json(self) -> None:
        self.toggle_class("-json")
        if self.has_class("-json"):
            self._json.show_json(self.tree_view.document.as_json())
        self.take_focus()

    def action_copy_value(self) -> None:
        if self.has_class("-json"):
            self._copy(dump(self.tree_view.document.as_json()), "the document")
        elif line := self.tree_view.current:
            value = line.as_json()
            self._copy(value if isinstance(value, str) else dump(value), line.path)

    def action_copy_path(self) -> None:
        if line := self.tree_view.current:
            self._copy(line.path, "the path")

    def _copy(self, text: str, what: str) -> None:
        self.app.copy_to_clipboard(text)
        self.desk.message.confirm(f"copied: {what}, {size_text(len(text.encode()))}")

    @property
    def line(self) -> TreeLine | None:
        """The line of the tree under the cursor, for a repair of what it stands for."""
        return self.tree_view.current if self._shown_version is None else None

    # Repairs

    def why_not(self, command: str) -> str | None:
        current = self.checkpoint
        if current is None or current.is_moving or self.desk.job.status == "RUNNING":
            return None
        if command == "drop-resume" and not current.document.has_resume:
            return "nothing was left in the middle: there is no resume part"
        if command in ("rewind", "undo-repair", "diff") and not self.versions.items:
            return "there is no version yet"
        if command == "clear-checkpoint" and current.document.is_empty and current.raw is None:
            return "there is nothing to clear"
        return None

    def action_drop_resume(self) -> None:
        self._repairing.drop_resume()

    def action_clear_checkpoint(self) -> None:
        self._repairing.clear()

    def action_rewind(self) -> None:
        self._repairing.rewind()

    def action_undo(self) -> None:
        self._repairing.undo()

    def action_edit(self) -> None:
        self._repairing.edit()

    def action_edit_outside(self) -> None:
        self._repairing.edit(outside=True)
