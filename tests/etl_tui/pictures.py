"""Makes the pictures of the documentation in docs/pictures: `python -m tests.etl_tui.pictures [FOLDER]`.

The real program, on an embedded database with made-up jobs. The moment is that of the making, for what the
database tells of ages goes by its own clock.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from etl_core.store import embedded
from etl_core.store.database import connect
from etl_core.store.migrations import migrate
from tests.etl_tui.inspected import KIND, add_job, give_past
from tests.etl_tui.showroom import furnish
from tests.etl_tui.snapshots.staged import COLOURS, quiet, staged
from tests.support.places import place

SIZE = (110, 30)
SCREENS: dict[str, tuple[str, ...]] = {
    "dashboard": (),
    "settings": ("j", "s"),
    "help": ("escape", "question_mark"),
    "job": ("escape", "f", "g", "enter"),
    "job-checkpoint": ("2", "plus"),
    "job-runs": ("3",),
    "job-log": ("4",),
    "job-rejects": ("5",),
    "job-audit": ("6",),
    "run": ("3", "enter"),
    "cards": ("escape", "escape", "v"),
    "queues": ("v", "2"),
    "workers": ("3",),
    "schedule": ("4",),
    "activity": ("5",),
}
"""A picture, and the keys that lead to it from the one before."""


async def take_pictures(database_url: str, folder: Path) -> None:
    """Writes `NAME.svg` for every screen."""
    now = datetime.now(UTC)
    conn = await connect(database_url, application_name="pictures")
    try:
        await migrate(conn)
        await furnish(conn, now)
        await give_past(conn, await add_job(conn, "orders", now), KIND, now)
    finally:
        await conn.close()
    async with staged(database_url, SIZE, COLOURS, now=now) as pilot:
        for name, keys in SCREENS.items():
            await pilot.press(*keys)
            await quiet(pilot)
            # Rich names its styles by chance, and asks another host for a font.
            svg = re.sub(r"terminal-\d+-", f"{name}-", pilot.app.export_screenshot(title=f"etl-tui · {name}"))
            svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
            (folder / f"{name}.svg").write_text(svg + "\n", encoding="utf-8")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "docs" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="etl-pictures-", dir=place()) as data:
        Path(data).chmod(0o755)
        with embedded.start(Path(data) / "postgres", durable=False) as server:
            asyncio.run(take_pictures(server.url("pictures"), folder))


if __name__ == "__main__":
    main()
