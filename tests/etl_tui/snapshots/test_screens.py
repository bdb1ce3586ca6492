"""What the screens look like, to the cell; `make snapshots` renews them, and git shows what changed."""

from __future__ import annotations

from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation
from syrupy.types import SnapshotIndex

from etl_core.store.database import Connection
from tests.etl_tui.showroom import furnish
from tests.etl_tui.snapshots.drawn import drawn
from tests.etl_tui.snapshots.staged import COLOURS, MONO, NOW, settled, staged

pytestmark = pytest.mark.timeout(240)

SCREENS: dict[str, tuple[str, ...]] = {
    "dashboard": (),
    "cards": ("v",),
    "groups": ("v", "b"),
}
"""A screen, and the keys that lead to it from the one before."""


class ScreenText(SingleFileSnapshotExtension):
    """A text file for each screen."""

    _file_extension = "txt"
    _write_mode = WriteMode.TEXT

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:
        return str(index)


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(ScreenText)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)], ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("environ", [COLOURS, MONO], ids=["256", "mono"])
async def test_screens(
    size: tuple[int, int],
    environ: dict[str, Any],
    database_url: str,
    db: Connection,
    snapshot: SnapshotAssertion,
) -> None:
    await furnish(db, NOW)
    differ = []
    async with staged(database_url, size, environ) as pilot:
        for screen, keys in SCREENS.items():
            await pilot.press(*keys)
            await settled(pilot)
            name = f"{screen}-{size[0]}x{size[1]}-{'mono' if environ is MONO else '256'}"
            if drawn(pilot) != snapshot(name=name):
                differ.append(name)
    assert differ == [], "`make snapshots` renews them; look at the difference"
