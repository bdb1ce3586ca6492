"""What the dashboard's start does not wait for."""

from __future__ import annotations

import subprocess
import sys

BEFORE_THE_FIRST_ROWS = "etl_tui.app.launch, etl_tui.app.feed.workplace, etl_tui.app.app, etl_core.settings"


def test_the_first_picture_waits_for_no_pydantic() -> None:
    program = f"import sys, {BEFORE_THE_FIRST_ROWS}; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = found.stdout.split()
    assert "textual" in imported and "asyncpg" in imported
    assert "pydantic" not in imported
