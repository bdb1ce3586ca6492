"""The smallest Textual app: what any of them costs at the least."""

from __future__ import annotations

import os

os.environ.setdefault("TEXTUAL_FPS", "20")  # as ours; read when Textual is imported

from textual.app import App, ComposeResult
from textual.widgets import Static


class Bare(App[None]):
    """One line of text."""

    ENABLE_COMMAND_PALETTE = False

    def compose(self) -> ComposeResult:
        yield Static("bare app is ready")


if __name__ == "__main__":
    Bare().run(mouse=False)
