"""The dashboard in a browser: a real server, a client that speaks as the page does."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from etl_core.store.database import Connection
from tests.etl_tui.showroom import furnish
from tests.support.jobs import PATIENCE, eventually

pytestmark = pytest.mark.timeout(240)

ESCAPE = re.compile(r"\x1b\[[0-9;?<>=$]*[A-Za-z]|\x1b[()][A-Z0-9]")


@asynccontextmanager
async def served(database_url: str, home: Path, *arguments: str) -> AsyncIterator[tuple[str, int]]:
    """Its address and process id."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ETL_")}
    environment |= {
        "ETL_DATABASE_URL": database_url,
        "XDG_STATE_HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "etl_tui", "--serve", "--port", "0", *arguments),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode()
        yield line.removeprefix("the dashboard is at ").strip(), process.pid
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), PATIENCE) in (0, -signal.SIGKILL)


async def see(websocket: aiohttp.ClientWebSocketResponse, *words: str) -> str:
    """What was drawn until all words were."""
    drawn = ""
    async with asyncio.timeout(PATIENCE):
        while any(word not in ESCAPE.sub("", drawn) for word in words):
            message = await websocket.receive()
            assert message.type is aiohttp.WSMsgType.BINARY, (message, drawn)
            drawn += message.data.decode()
    return ESCAPE.sub("", drawn)


async def test_who_has_the_token_sees_the_database_and_no_process_is_left(
    database_url: str, db: Connection, tmp_path: Path
) -> None:
    await furnish(db)
    async with (
        served(database_url, tmp_path, "--read-only") as (address, pid),
        aiohttp.ClientSession() as client,
    ):
        assert address.startswith("http://127.0.0.1:")
        site, token = address.rstrip("/").rsplit("/", 1)
        for path in (
            "/",
            "/ws",
            "/static/js/textual.js",
            f"/{token[:-1]}/",
            f"/x{token}/",
            "//static/css/xterm.css",
        ):
            async with client.get(site + path) as answer:
                assert (path, answer.status) == (path, 404)
        with pytest.raises(aiohttp.WSServerHandshakeError, match="404"):
            await client.ws_connect(f"{site}/{token[:-1]}/ws")
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await client.ws_connect(f"{address}ws", headers={"Origin": "https://evil.example"})

        async with client.get(address) as answer:
            page = await answer.text()
            assert "connect-src 'self'" in answer.headers["Content-Security-Policy"]
        named = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert [name for name in named if ":" in name] == ["data:,"]  # no other host is asked
        for name in named[1:]:
            async with client.get(address + name) as answer:
                assert (name, answer.status) == (name, 200)
        async with client.get(f"{address}static/../../server.py") as answer:
            assert answer.status == 404

        async with client.ws_connect(f"{address}ws?width=120&height=40") as tab:
            await tab.send_str(json.dumps(["seen", True]))
            await see(tab, "ETL Jobs Dashboard", "payments", "2 failed")
            await tab.send_str("[[[")  # what no page sends
            await tab.send_str(json.dumps(["stdin", "?"]))
            await see(tab, "Help · Jobs")
            (dashboard,) = psutil.Process(pid).children()
        await eventually(lambda: _gone(dashboard), "the dashboard of a closed tab to end")

        async with client.ws_connect(f"{address}ws") as tab:
            await see(tab, "acme/payments", "read-only")
            (dashboard,) = psutil.Process(pid).children()
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda: _gone(dashboard), "the dashboard of a killed server to end")


async def _gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
