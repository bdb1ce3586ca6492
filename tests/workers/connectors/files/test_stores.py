"""Google Cloud Storage and Azure Blob by their protocols: what is found, read on, noticed and told."""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from azure.storage.blob._shared import policies_async
from cryptography.hazmat.primitives.asymmetric import rsa
from gcsfs import retry
from google.auth import _exponential_backoff

from etl_core.errors import Permanent, Transient, Unauthorised
from etl_core.testing.walking import Destination, run
from tests.simulators.buckets.gcs import GcsSimulator
from tests.simulators.faults import CUT, UNAVAILABLE
from tests.workers.connectors.files.delivering import connector, read, table
from tests.workers.connectors.files.stores import ACCOUNT_KEY, SAS, STORES, Store, service_account
from workers.connectors.files import pages
from workers.connectors.files.places import remote
from workers.connectors.files.places.spool import Writing

NOT_ALLOWED = r"may not be read with this credential .*; give it the permission"
CSV = b"id,v\n" + b"".join(b"%d,x\n" % n for n in range(11))


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The libraries wait between their attempts as long as ever, but not here."""
    monkeypatch.setattr(remote, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(pages, "PAGE_RECORDS", 4)
    monkeypatch.setattr(retry, "asyncio", SimpleNamespace(sleep=lambda seconds: asyncio.sleep(0)))
    monkeypatch.setattr(policies_async.ExponentialRetry, "get_backoff_time", lambda *_: 0)
    with STORES[request.param]() as made:
        yield made


def is_download(request: Any) -> bool:
    is_listing = "comp" in request.query or request.path.startswith("/storage/")
    return request.method == "GET" and not is_listing


async def test_what_is_new_or_changed_is_read(store: Store) -> None:
    for name in ("in/a.csv", "in/2024/b.csv", "in/2024/old/c #1 ü?%20.csv", "in/d.csv.part", "inner/e.csv"):
        store.objects.put(name, CSV)
    for name in ("in", "in/", "in/2024/", "in/empty/"):  # what consoles and programs take for folders
        store.objects.put(name, b"")
    every: dict[str, Any] = {"stream": "s", "key": ["_file", "id"], **store.options}
    loaded = await read(f"{store.root}in/**/*.csv", **every)
    names = {"a.csv", "2024/b.csv", "2024/old/c #1 ü?%20.csv"}
    assert {row["_file"] for row in table(loaded, "s")} == names
    assert len(table(loaded, "s")) == 33
    flat = await read(f"{store.root}in/*", stream="s", format="csv", **store.options)
    assert {row["_file"] for row in table(flat, "s")} == {"a.csv"}
    before = store.simulator.downloads
    await read(f"{store.root}in/**/*.csv", loaded, **every)
    assert (loaded.pages, store.simulator.downloads) == (0, before)
    store.objects.put("in/2024/b.csv", CSV.replace(b"x", b"y") + b"99,new\n")
    await read(f"{store.root}in/**/*.csv", loaded, **every)
    assert store.simulator.downloads == before + 1
    assert [row["v"] for row in table(loaded, "s") if row["_file"] == "2024/b.csv"] == ["y"] * 11 + ["new"]
    broken = Destination()
    await run(connector(f"{store.root}in/2024/b.csv", **store.options), broken, stop_after=2)
    await read(f"{store.root}in/2024/b.csv", broken, **store.options)
    assert [row["id"] for row in table(broken, "b")] == [*range(11), 99], "each row once"


async def test_faults_on_the_way(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PIECE", 1_000)
    content = CSV * 300
    store.objects.put("a.csv", content)
    store.simulator.faults.tell(UNAVAILABLE, store.throttled)  # of the listing
    store.simulator.faults.tell(CUT, UNAVAILABLE, store.throttled, CUT, CUT, match=is_download)
    loaded = await read(f"{store.root}*.csv", stream="s", header=False, file_column=None, **store.options)
    assert len(table(loaded, "s")) == content.count(b"\n")
    assert store.simulator.faults.untold == 0


async def test_an_object_that_changes_in_mid_download(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PIECE", 16)
    store.objects.put("a.csv", CSV)
    write = Writing.write
    pieces = 0

    def change_meanwhile(writing: Any, data: bytes) -> None:
        nonlocal pieces
        write(writing, data)
        pieces += 1
        if pieces == 2:
            store.objects.put("a.csv", CSV.replace(b"x", b"y"))

    monkeypatch.setattr(Writing, "write", change_meanwhile)
    loaded = await read(f"{store.root}a.csv", **store.options)
    assert {row["v"] for row in table(loaded, "a")} == {"y"}


async def test_an_object_that_was_packed_on_its_way_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored with `Content-Encoding: gzip`: it is downloaded as it lies there, in several parts."""
    monkeypatch.setattr(remote, "PIECE", 1_000)
    noise = random.Random(1)
    content = b"id,v\n" + b"".join(b"%d,%d\n" % (n, noise.getrandbits(64)) for n in range(400))
    store.objects.put("a.csv", gzip.compress(content), encoding="gzip")
    loaded = await read(f"{store.root}a.csv", key=["id"], **store.options)
    assert len(table(loaded, "a")) == 400
    assert store.simulator.downloads > 3
    await read(f"{store.root}a.csv", loaded, key=["id"], **store.options)
    assert loaded.pages == 0


async def test_what_cannot_be_had_is_told(store: Store) -> None:
    store.objects.put("in/a.csv", CSV)
    with pytest.raises(Transient, match=rf"no file at {store.root}b.csv"):
        await read(f"{store.root}b.csv", **store.options)
    elsewhere = store.root.replace("box", "nowhere")
    with pytest.raises(Transient, match=f"no file matches {elsewhere}"):
        await read(f"{elsewhere}*.csv", **store.options)
    with pytest.raises(Permanent, match="is a folder; give a file or a pattern"):
        await read(f"{store.root}in", format="csv", **store.options)
    store.simulator.forbids = ("storage.objects.get", "read")
    with pytest.raises(Permanent, match=NOT_ALLOWED):
        await read(f"{store.root}in/*.csv", **store.options)
    store.simulator.forbids = ("storage.objects.list", "list")
    with pytest.raises(Permanent, match=NOT_ALLOWED):
        await read(f"{store.root}in/*.csv", **store.options)


async def test_a_credential_that_is_refused(store: Store) -> None:
    store.objects.put("a.csv", CSV)
    ((kind, options),) = store.options.items()
    stranger = service_account(options["endpoint_url"], rsa.generate_private_key(65537, 2048))
    wrong: dict[str, list[dict[str, Any]]] = {
        "gcs": [{"service_account": stranger}, {"service_account": None, "anonymous": True}],
        "azure": [{"account_key": "ZmFsc2No"}, {"account_key": None, "anonymous": True}],
    }
    for each in wrong[kind]:
        given: dict[str, Any] = {kind: {**options, **each}}
        with pytest.raises(Unauthorised, match="the credential is missing or refused") as raised:
            await read(f"{store.root}a.csv", **given)
        assert "PRIVATE" not in str(raised.value)
        assert "ZmFsc2No" not in str(raised.value)


async def test_a_token_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused, it is told at once, so that a trial is not over before; out of order, nobody is called."""
    monkeypatch.setattr(_exponential_backoff, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(remote, "FIRST_WAIT", 0.001)
    with STORES["google"]() as store:
        assert isinstance(store.simulator, GcsSimulator)
        store.objects.put("a.csv", CSV)
        options = store.options["gcs"]
        stranger = service_account(options["endpoint_url"], rsa.generate_private_key(65537, 2048))
        with pytest.raises(Unauthorised, match="invalid_grant"):
            await read(f"{store.root}a.csv", gcs={**options, "service_account": stranger})
        assert store.simulator.sign_ins <= 2  # the object, and whether it is a folder
        store.simulator.signs_in = False
        with pytest.raises(Transient, match="no token"):
            await read(f"{store.root}a.csv", gcs=options)


async def test_by_the_proxy_of_the_environment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that no name server knows is asked for all the same: of the proxy, which is the simulator."""
    store.objects.put("a.csv", CSV)
    ((kind, options),) = store.options.items()
    here = urlsplit(options["endpoint_url"])
    monkeypatch.setenv("http_proxy", f"http://{here.netloc}")
    away: dict[str, Any] = {kind: {**options, "endpoint_url": f"http://store.invalid{here.path}"}}
    assert len(table(await read(f"{store.root}a.csv", **away), "a")) == 11


async def test_azure_in_other_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the configuration says counts, and not what the worker's environment holds for others."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountName=other;AccountKey=YW5kZXJl")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sig=other")
    with STORES["azure"]() as store:
        store.objects.put("a.csv", CSV)
        endpoint = store.options["azure"]["endpoint_url"]
        whole = f"AccountName=acme;AccountKey={ACCOUNT_KEY};BlobEndpoint={endpoint}"
        signed = {"account_name": "acme", "sas_token": f"?{SAS}", "endpoint_url": endpoint}
        for azure in (store.options["azure"], signed, {"connection_string": whole}):
            assert len(table(await read(f"{store.root}a.csv", azure=azure), "a")) == 11
