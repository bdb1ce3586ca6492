"""`connectors try`: what is asked and yielded is shown; nothing secret, nothing written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.etl_tui.cli.conftest import Cli
from tests.simulators.faults import SERVER_ERROR
from tests.simulators.rest.shop import ShopSimulator
from tests.simulators.rest.simulator import TOKEN
from tests.simulators.serve import serving_in_thread
from tests.workers.connectors.rest import shops


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[ShopSimulator]:
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    simulator = ShopSimulator(seed=1, customers_at_first=3, orders_at_first=30, page=10)
    with serving_in_thread(simulator.application) as url:
        simulator.url = url
        yield simulator


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    path = tmp_path / "shop.yaml"
    path.write_text(shops.orders("next"), encoding="utf-8")
    return str(path)


def options(shop: ShopSimulator) -> list[str]:
    return ["--var", f"url={shop.url}", "--secret", "token=env:SHOP_TOKEN"]


def test_requests_pages_and_rows_are_shown(cli_anywhere: Cli, shop: ShopSimulator, manifest: str) -> None:
    shown = cli_anywhere("connectors", "try", manifest, *options(shop), "--limit", "15")
    assert shown.code == 0, shown.err
    assert f"GET {shop.url}/next/orders" in shown.out
    assert "page 2: 10 orders" in shown.out
    assert "orders: 15 rows, key id" in shown.out
    assert "there is more" in shown.out
    assert TOKEN not in shown.out
    assert len(shop.calls) == 2, "it asks for no more than it shows"


def test_one_document(cli_anywhere: Cli, shop: ShopSimulator, manifest: str) -> None:
    config = json.dumps({"variables": {"url": shop.url}, "secrets": {"token": "env:SHOP_TOKEN"}})
    shown = cli_anywhere("connectors", "try", manifest, "--config", config, "--json")
    assert shown.document["rows"]["orders"][0]["name"] == "order 1"
    assert [call["status"] for call in shown.document["calls"]] == [200, 200]
    assert shown.document["error"] is None
    assert TOKEN not in shown.out


def test_what_fails_is_shown_with_its_request(cli_anywhere: Cli, shop: ShopSimulator, manifest: str) -> None:
    shop.auth = "header"
    shown = cli_anywhere("connectors", "try", manifest, *options(shop))
    assert shown.code == 1
    assert "-> 401" in shown.out
    assert "renew the credential" in shown.out


def test_a_retry_is_shown(cli_anywhere: Cli, shop: ShopSimulator, manifest: str) -> None:
    shop.faults.tell(SERVER_ERROR)
    shown = cli_anywhere("connectors", "try", manifest, *options(shop), "--limit", "1", "--json")
    assert [call["status"] for call in shown.document["calls"]] == [500, 200]


def test_any_type_can_be_tried(cli_anywhere: Cli) -> None:
    shown = cli_anywhere("connectors", "try", "synthetic", "--config", '{"records": 5}', "--json")
    assert shown.code == 0
    assert [len(rows) for rows in shown.document["rows"].values()] == [5]


def test_what_cannot_be_tried(cli_anywhere: Cli, shop: ShopSimulator, manifest: str) -> None:
    clear = ["--var", f"url={shop.url}", "--secret", "token=in-clear"]
    cli_anywhere("connectors", "try", manifest, *clear).refused(2, "in clear", "secrets.token")
    cli_anywhere("connectors", "try", "gitlabb").refused(2, "gitlabb", "gitlab")
    cli_anywhere("connectors", "try", manifest, *options(shop), "--stream", "order").refused(3, "orders")
    cli_anywhere("connectors", "try", manifest, "--var", "url").refused(2, "--var", "NAME=VALUE")
    cli_anywhere("connectors", "try", "synthetic", "--var", "a=b").refused(2, "--config")
    assert shop.calls == []
