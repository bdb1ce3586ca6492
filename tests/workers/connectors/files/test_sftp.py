"""SFTP, on a server of asyncssh in this process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from etl_core.errors import Permanent, Unauthorised
from etl_core.testing.walking import Destination, run
from tests.workers.connectors.files.delivering import connector, deliver, read, table
from workers.connectors.files import pages

KEY = asyncssh.generate_private_key("ssh-ed25519")


class _Server(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("it", "geheim")


@asynccontextmanager
async def served(folder: Path, known: Path) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    def files(channel: Any) -> asyncssh.SFTPServer:
        return asyncssh.SFTPServer(channel, chroot=os.fsencode(folder))

    (known / "authorized").write_bytes(KEY.export_public_key())
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.create_server(
        _Server,
        "127.0.0.1",
        0,
        server_host_keys=[host_key],
        sftp_factory=files,
        authorized_client_keys=str(known / "authorized"),
    )
    port = server.sockets[0].getsockname()[1]
    (known / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key.export_public_key().decode()}")
    try:
        options = {"username": "it", "password": "geheim", "known_hosts": str(known / "known_hosts")}
        yield f"sftp://127.0.0.1:{port}", options
    finally:
        server.close()
        await server.wait_closed()


async def test_what_is_new_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_RECORDS", 4)
    folder = tmp_path / "files"
    (folder / "in" / "deep").mkdir(parents=True)
    for name in ("in/a.csv", "in/deep/b.csv"):
        deliver(folder / name, "id\n" + "".join(f"{n}\n" for n in range(9)))
    deliver(folder / "in" / "c.csv.filepart", "id\n1\n")
    async with served(folder, tmp_path) as (url, options):
        every: dict[str, Any] = {"stream": "s", "key": ["_file", "id"], "sftp": options}
        loaded = await read(f"{url}/in/**/*.csv", **every)
        assert {row["_file"] for row in table(loaded, "s")} == {"a.csv", "deep/b.csv"}
        await read(f"{url}/in/**/*.csv", loaded, **every)
        assert loaded.pages == 0
        deliver(folder / "in" / "a.csv", "id\n100\n", age_s=60)
        await read(f"{url}/in/**/*.csv", loaded, **every)
        assert loaded.records == 1
        broken = Destination()
        await run(connector(f"{url}/in/deep/b.csv", sftp=options), broken, stop_after=1)
        await read(f"{url}/in/deep/b.csv", broken, sftp=options)
        assert broken.records == 5
        key = {**options, "password": None, "private_key": KEY.export_private_key().decode()}
        assert len(table(await read(f"{url}/in/a.csv", sftp=key), "a")) == 1


async def test_what_cannot_be_had_is_told(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    deliver(tmp_path / "files" / "a.csv", "id\n1\n")
    async with served(tmp_path / "files", tmp_path) as (url, options):
        with pytest.raises(Unauthorised, match="credential is missing or refused") as raised:
            await read(f"{url}/a.csv", sftp={**options, "password": "falsch"})
        assert "falsch" not in str(raised.value)
        (tmp_path / "nobody").write_text("")
        with pytest.raises(Permanent, match="host key is not known; put it into `known_hosts`"):
            await read(f"{url}/a.csv", sftp={**options, "known_hosts": str(tmp_path / "nobody")})
