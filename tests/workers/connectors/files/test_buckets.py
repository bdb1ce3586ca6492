"""S3 by the rules of moto's server: what is found, downloaded, noticed and told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from etl_core.errors import Permanent, SourceError, Transient
from etl_core.testing.walking import Destination, run
from tests.workers.connectors.files.delivering import connector, read, table
from workers.connectors.files import pages
from workers.connectors.files.places import connecting, remote

CSV = b"id,v\n" + b"".join(b"%d,x\n" % n for n in range(11))


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_url: str, request: pytest.FixtureRequest) -> Any:
    client = boto3.resource(
        "s3",
        endpoint_url=s3_url,
        aws_access_key_id="it",
        aws_secret_access_key="geheim",
        region_name="us-east-1",
    )
    made = client.Bucket(f"b{abs(hash(request.node.name))}")
    made.create()
    return made


@pytest.fixture
def options(s3_url: str) -> dict[str, Any]:
    login = {"access_key_id": "it", "secret_access_key": "geheim", "region": "us-east-1"}
    return {"s3": {"endpoint_url": s3_url, **login}}


async def test_what_is_new_or_changed_is_read(
    bucket: Any, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE_RECORDS", 4)
    for key in ("in/a.csv", "in/2024/b.csv", "in/2024/old/c.csv", "in/d.csv.part", "in/folder/"):
        bucket.put_object(Key=key, Body=b"" if key.endswith("/") else CSV)
    every = f"s3://{bucket.name}/in/**/*.csv"
    loaded = await read(every, stream="s", key=["_file", "id"], **options)
    assert {row["_file"] for row in table(loaded, "s")} == {"a.csv", "2024/b.csv", "2024/old/c.csv"}
    assert len(table(loaded, "s")) == 33
    flat = await read(f"s3://{bucket.name}/in/*", stream="s", format="csv", **options)
    assert {row["_file"] for row in table(flat, "s")} == {"a.csv"}
    downloaded: list[str] = []
    download = remote.RemotePlace._download

    def note(place: remote.RemotePlace, file: Any, stop: Any) -> Any:
        downloaded.append(file.partition)
        return download(place, file, stop)

    monkeypatch.setattr(remote.RemotePlace, "_download", note)
    await read(every, loaded, stream="s", key=["_file", "id"], **options)
    assert (loaded.pages, downloaded) == (0, [])
    bucket.put_object(Key="in/2024/b.csv", Body=CSV + b"99,new\n")
    await read(every, loaded, stream="s", key=["_file", "id"], **options)
    assert downloaded == ["2024/b.csv"]
    assert len(table(loaded, "s")) == 34
    broken = Destination()
    await run(connector(every, stream="s", **options), broken, stop_after=2)
    await read(every, broken, stream="s", **options)
    assert len(table(broken, "s")) == 34, "append only: each row once"


async def test_an_object_that_changes_in_mid_download(
    bucket: Any, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PIECE", 16)
    bucket.put_object(Key="a.csv", Body=CSV)
    read_on = remote.RemotePlace._read_on
    changed = False

    def change_behind_it(place: remote.RemotePlace, *args: Any) -> None:
        nonlocal changed
        read_on(place, *args)
        if not changed:
            changed = True
            bucket.put_object(Key="a.csv", Body=CSV.replace(b"x", b"y"))

    monkeypatch.setattr(remote.RemotePlace, "_read_on", change_behind_it)
    loaded = await read(f"s3://{bucket.name}/a.csv", **options)
    assert {row["v"] for row in table(loaded, "a")} == {"y"}


async def test_what_cannot_be_had_is_told(
    bucket: Any, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put_object(Key="in/a.csv", Body=CSV)
    with pytest.raises(Transient, match=rf"no file at s3://{bucket.name}/b.csv"):
        await read(f"s3://{bucket.name}/b.csv", **options)
    with pytest.raises(Transient, match="no file matches s3://nowhere-1/"):
        await read("s3://nowhere-1/*.csv", **options)
    with pytest.raises(Permanent, match="is a folder; give a file or a pattern"):
        await read(f"s3://{bucket.name}/in", format="csv", **options)
    # Nobody answers there.
    gone: dict[str, Any] = {"s3": {**options["s3"], "endpoint_url": "http://127.0.0.1:9"}}
    monkeypatch.setattr(remote, "FIRST_WAIT", 0.001)
    with pytest.raises(SourceError) as raised:
        await read(f"s3://{bucket.name}/in/a.csv", **gone)
    assert "geheim" not in str(raised.value)


async def test_a_missing_library_is_told_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(connecting, "import_module", refuse)
    for path, extra in (("s3://b/a.csv", "s3"), ("gs://b/a.csv", "gcs"), ("sftp://h/a.csv", "sftp")):
        (found,) = await connector(path).check()
        assert (found.state, found.remedy) == (
            "missing",
            f"pip install 'etl-tui[files-{extra}]' where the workers run",
        )
        with pytest.raises(Permanent, match=rf"pip install 'etl-tui\[files-{extra}\]'"):
            await read(path)
