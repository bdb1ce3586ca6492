"""Proxies and authorities come from the environment; ours are real ones."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from etl_core.errors import Permanent
from tests.workers.http.conftest import FAST, TOKEN, Api
from workers.http import BearerAuth, HttpSource, Unreached


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, and server.pem with its key, for localhost."""
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    for name in ("ca", "server"):
        openssl("ecparam", "-genkey", "-name", "prime256v1", "-out", f"{name}.key")
    openssl("req", "-x509", "-key", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ours")
    openssl("req", "-new", "-key", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "san").write_text("subjectAltName=DNS:localhost\n")
    openssl(
        *("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-out", "server.pem", "-days", "2", "-extfile", "san"),
    )
    return folder


@asynccontextmanager
async def serving_tls(folder: Path) -> AsyncIterator[int]:
    """One JSON answer a connection, over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_an_authority_of_our_own(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    async with serving_tls(authority) as port:
        address = f"https://localhost:{port}"
        async with HttpSource(address) as source:
            with pytest.raises(Permanent, match=r"nobody we trust vouches .*SSL_CERT_FILE"):
                await source.get_json("/x")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
        async with HttpSource(address) as source:
            assert (await source.get_json("/x")).json == {}
        async with HttpSource(f"https://127.0.0.1:{port}") as source:
            with pytest.raises(Permanent, match="vouches for its certificate"):
                await source.get_json("/x")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "missing.pem"))
    with pytest.raises(Permanent, match="authorities in the environment"):
        async with HttpSource("https://localhost"):
            pass


class Proxy:
    """Speaks as much as a client needs: absolute addresses, and tunnels by CONNECT."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.port = 0
        self.refuses = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split()
        self.asked.append(f"{method} {target}")
        if self.refuses:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()
            return
        place = target if method == "CONNECT" else target.split("/")[2]
        host, _, port = place.partition(":")
        there, away = await asyncio.open_connection(host, int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            away.write(head)
        await asyncio.gather(pump(reader, away), pump(there, writer), return_exceptions=True)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    made = Proxy()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


async def test_a_proxy(api: Api, authority: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://ana:{TOKEN}@127.0.0.1:{proxy.port}")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with api.source(auth=BearerAuth("s3cret")) as source:
        await source.get_json("/plain")
        assert proxy.asked == [f"GET {api.url}/plain"]
        assert TOKEN not in repr(vars(source))
    async with serving_tls(authority) as port, HttpSource(f"https://localhost:{port}") as source:
        await source.get_json("/tunnelled")
        assert proxy.asked[1:] == [f"CONNECT localhost:{port}"]
        proxy.refuses = True
    async with HttpSource("https://localhost:9", retries=FAST) as source:
        with pytest.raises(Unreached, match=r"the proxy does not let us through .407") as refused:
            await source.get_json("/x", attempts=1)
    assert TOKEN not in str(refused.value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with api.source() as source:
        await source.get_json("/direct")
    assert len(proxy.asked) == 3
