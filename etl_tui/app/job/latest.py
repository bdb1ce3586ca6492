"""Work beside the screen, of which only the last that was asked for counts."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from textual.dom import DOMNode


def run_latest(node: DOMNode, work: Callable[[], Coroutine[Any, Any, None]], group: str) -> None:
    """Runs `work` in place of what its group has under way.

    A function is given and no coroutine: one that is replaced before it began was never awaited.
    """
    # mypy cannot tell which of the two kinds of function that run_worker takes this is.
    node.run_worker(work, group=group, exclusive=True)  # type: ignore[arg-type]
