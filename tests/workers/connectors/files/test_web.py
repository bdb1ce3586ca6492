"""Files on the web: what servers say of them, and what goes wrong on the way."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from etl_core.connector import ExtractContext
from etl_core.errors import Permanent, Transient, Unauthorised
from etl_core.testing.walking import Destination, run
from tests.simulators.faults import CUT, GATEWAY_TIMEOUT, TOO_MANY, UNAVAILABLE, Fault, Faults
from tests.simulators.serve import serving
from tests.simulators.web_files import WebFiles
from tests.workers.connectors.files.delivering import connector, read, table
from workers.connectors.files import pages
from workers.connectors.files.places import spool, web, web_calls


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(web_calls, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(pages, "PAGE_RECORDS", 4)


def rows(count: int, first: int = 0) -> bytes:
    return b"id,v\n" + b"".join(b"%d,%s\n" % (n, b"x" * 50) for n in range(first, first + count))


@asynccontextmanager
async def served(files: dict[str, bytes], **options: Any) -> AsyncIterator[tuple[WebFiles, str]]:
    server = WebFiles(**options)
    server.put(files)
    async with serving(server.application()) as url:
        yield server, url


def downloads(server: WebFiles) -> int:
    return sum(method == "GET" and status in (200, 206) for method, _, status in server.asked)


async def test_a_file_is_downloaded_once_and_again_when_it_changed() -> None:
    async with served({"/a.csv": rows(11)}) as (server, url):
        loaded = await read(f"{url}/a.csv", key=["id"])
        assert len(loaded.rows["a"]) == 11
        assert downloads(server) == 1, "the second reading is from this machine's disk"
        await read(f"{url}/a.csv", loaded, key=["id"])
        assert (downloads(server), loaded.pages) == (1, 0), "a HEAD says that it is the same"
        server.put({"/a.csv": rows(12)})
        await read(f"{url}/a.csv", loaded, key=["id"])
        assert len(loaded.rows["a"]) == 12


@pytest.mark.parametrize(
    ("options", "again"),
    [({"tags": False}, 0), ({"tags": False, "times": False}, 1), ({"refuses_head": True}, 1)],
)
async def test_servers_that_say_little(options: dict[str, Any], again: int) -> None:
    """Without tag and time the contents decide; a signed address refuses HEAD (one GET for its headers)."""
    async with served({"/a.csv": rows(5)}, **options) as (server, url):
        loaded = await read(f"{url}/a.csv", key=["id"])
        before = downloads(server)
        await read(f"{url}/a.csv", loaded, key=["id"])
        assert loaded.records == 0
        assert downloads(server) - before == again
        server.put({"/a.csv": rows(6)})
        await read(f"{url}/a.csv", loaded, key=["id"])
        assert len(loaded.rows["a"]) == 6


@pytest.mark.parametrize("ranges", [True, False])
async def test_faults_on_the_way(ranges: bool) -> None:
    content = gzip.compress(rows(400), 1)
    async with served({"/a.csv.gz": content}, ranges=ranges) as (server, url):

        def is_get(request: Any) -> bool:
            return bool(request.method == "GET")

        server.faults.tell(UNAVAILABLE, CUT, GATEWAY_TIMEOUT, CUT, match=is_get)
        loaded = await read(f"{url}/a.csv.gz", key=["id"])
        assert len(loaded.rows["a"]) == 400
        assert server.faults.untold == 0
        assert any(status == 206 for _, _, status in server.asked) is ranges


async def test_another_version_in_mid_download_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served({"/a.csv": rows(300)}) as (server, url):
        server.faults.tell(CUT, match=lambda request: request.method == "GET")
        read_on = web.WebPlace._read_on
        seen = 0

        async def change_meanwhile(place: web.WebPlace, *args: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == 2:
                server.put({"/a.csv": rows(300, first=1_000)})
            return await read_on(place, *args)

        monkeypatch.setattr(web.WebPlace, "_read_on", change_meanwhile)
        loaded = await read(f"{url}/a.csv", key=["id"])
        assert {row["id"] for row in table(loaded, "a")} == set(range(1_000, 1_300))


async def test_another_version_between_both_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room to keep what was downloaded it is downloaded twice, and must be the same twice."""
    monkeypatch.setattr(spool, "ROOM", 0)
    async with served({"/a.csv": rows(11)}) as (server, url):
        made = connector(f"{url}/a.csv", key=["id"])
        await made.discover(ExtractContext())
        server.put({"/a.csv": rows(9, first=50)})
        found = [page async for page in made.extract(ExtractContext())]
        assert [row["id"] for page in found for row in page.records.get("a", [])] == [
            str(n) for n in range(50, 59)
        ]


async def test_a_broken_off_run_goes_on_within_the_file() -> None:
    async with served({"/a.csv": rows(11)}) as (_, url):
        broken = Destination()
        await run(connector(f"{url}/a.csv", key=["id"]), broken, stop_after=2)
        await read(f"{url}/a.csv", broken, key=["id"])
        assert broken.records == 3
        assert len(broken.rows["a"]) == 11


async def test_patterns_over_index_pages() -> None:
    names = ["/d/2024/a.csv", "/d/2024/b c.csv", "/d/2025/deep/e.csv", "/d/x.csv", "/d/y.csv.part"]
    files = {name: rows(1, first=at) for at, name in enumerate(names)}
    async with served(files) as (server, url):
        server.faults.tell(CUT, CUT)

        async def found(path: Any, **config: Any) -> set[Any]:
            loaded = await read(path, stream="s", format="csv", **config)
            return {row["_file"] for row in table(loaded, "s")}

        assert await found(f"{url}/d/*") == {"x.csv"}
        assert await found(f"{url}/d/*/*.csv") == {"2024/a.csv", "2024/b c.csv"}
        everything = {"2024/a.csv", "2024/b c.csv", "2025/deep/e.csv", "x.csv"}
        assert await found(f"{url}/d/**/*.csv") == everything
        assert await found(f"{url}/d/**/*.csv", exclude=["2024/*"]) == {"2025/deep/e.csv", "x.csv"}
        assert await found([f"{url}/d/x.csv", f"{url}/d/2024/a.csv", f"{url}/d/gone.csv"]) == {
            "x.csv",
            "2024/a.csv",
        }
        with pytest.raises(Transient, match=r"no file matches .*/nowhere/\*\.csv"):
            await read(f"{url}/nowhere/*.csv")


async def test_what_cannot_be_had_is_told() -> None:
    async with served({"/a.csv": rows(1)}, token="geheim-1234") as (server, url):
        with pytest.raises(Unauthorised, match=r"401.*give a credential in `http`"):
            await read(f"{url}/a.csv")
        with pytest.raises(Unauthorised, match="renew") as raised:
            await read(f"{url}/a.csv", http={"token": "falsch-1234"})
        assert "falsch" not in str(raised.value)
        config: dict[str, Any] = {"http": {"token": "geheim-1234"}}
        assert len(table(await read(f"{url}/a.csv", **config), "a")) == 1
        with pytest.raises(Transient, match="no file at"):
            await read(f"{url}/none.csv", **config)
        server.faults.tell(*[CUT] * 100, match=lambda request: request.method == "GET")
        with pytest.raises(Transient):
            await read(f"{url}/a.csv", **config)
    with pytest.raises(Transient, match="no connection"):
        await read(f"{url}/a.csv")


async def test_a_rate_limit_is_waited_for_and_a_body_cut_at_its_end_is_noticed() -> None:
    """The file itself is cut: its server says that it is whole, only gzip knows."""
    content = gzip.compress(rows(100))
    async with served({"/a.csv.gz": content[:-20]}, faults=Faults()) as (server, url):
        server.faults.tell(TOO_MANY)
        with pytest.raises(Permanent, match="cut short: its gzip data ends too early"):
            await read(f"{url}/a.csv.gz")
        assert server.faults.untold == 0


async def test_check_tells_what_is_there() -> None:
    async with served({"/d/a.csv": rows(3), "/d/b.csv": rows(20_000)}) as (_, url):
        files, read_one = await connector(f"{url}/d/*.csv", key=["id"]).check()
        assert files.detail == f"2 at {url}/d/*.csv"
        assert (read_one.what, read_one.detail) == ("a.csv", "3 records of 2 columns, key id")


async def test_a_redirect_elsewhere_goes_without_the_credential() -> None:
    async with (
        served({"/a.csv": rows(3)}) as (there, elsewhere),
        served({}, token="geheim-1234") as (here, url),
    ):
        moved = Fault("moved", 302, {"Location": f"{elsewhere}/a.csv"}, b"")
        here.faults.tell(moved, moved)
        loaded = await read(f"{url}/b.csv", http={"token": "geheim-1234"})
        assert len(table(loaded, "b")) == 3
        assert downloads(there) == 1
