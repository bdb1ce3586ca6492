"""What is this connector's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from etl_core.errors import Permanent, Transient
from pydantic import ValidationError

from etl_tui_my_system.config import MySystemConfig
from etl_tui_my_system.connector import MySystemConnector
from etl_tui_my_system.fake import FakeSystem


def connector(path: Path) -> MySystemConnector:
    return MySystemConnector(MySystemConfig(path=str(path)))


async def test_check_tells_how_much_there_is(tmp_path: Path) -> None:
    FakeSystem(tmp_path / "items.db").add(12)
    [items] = await connector(tmp_path / "items.db").check()
    assert (items.state, items.detail) == ("ok", f"12 in {tmp_path}/items.db")


async def test_what_cannot_be_read_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Transient, match=r"no file at .*missing\.db"):
        await connector(tmp_path / "missing.db").check()
    (tmp_path / "other.db").write_text("no database, but long enough to be looked at as if it were one")
    with pytest.raises(Permanent, match=r"other\.db cannot be read"):
        await connector(tmp_path / "other.db").check()


def test_a_path_that_only_you_know_is_refused() -> None:
    with pytest.raises(ValidationError, match="absolute path"):
        MySystemConfig(path="items.db")
