"""Manifests of the made-up shop, and connectors that read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from etl_core.connector import Connector
from tests.simulators.rest.shop import ShopSimulator
from tests.simulators.rest.simulator import TOKEN
from workers.connectors.rest import RestConnector
from workers.connectors.rest.config import RestConfig

HEAD = """
version: 1
title: Shop
variables: {url: {description: "the server"}}
secrets: {token: {description: "a token"}}
base_url: "{{ variables.url }}"
auth: {type: bearer, token: "{{ secrets.token }}"}
"""
PAGINATION = {
    "link": "{type: link_header}",
    "next": "{type: next_url, url: next}",
    "cursor": "{type: cursor, cursor: cursor, param: after, size_param: size, size: 7}",
    "page": "{type: page, pages: pages}",
    "offset": "{type: offset, limit_param: size, limit: 7, more: more}",
    "seek": "{type: seek, size_param: size, size: 7}",
}
INCREMENTAL = "{cursor: updated_at, param: updated_since, format: iso_milliseconds, overlap: 1m}"


def orders(way: str, *, incremental: bool = False, full_refresh: bool = False, more: str = "") -> str:
    """A manifest with the stream `orders`, listed in one way."""
    return f"""{HEAD}
streams:
  orders:
    path: /{way}/orders
    records: data
    key: [id]
    pagination: {PAGINATION[way]}
    columns: {{id: bigint, customer_id: bigint, name: text, amount: numeric, updated_at: timestamptz}}
    {"full_refresh: true" if full_refresh else ""}
    {"params: {sort: updated}" if incremental else ""}
    {f"incremental: {INCREMENTAL}" if incremental else ""}
{more}
"""


def connector(simulator: ShopSimulator, folder: Path, manifest: str, **config: Any) -> Connector:
    """As a worker makes it, of a manifest in a file."""
    path = folder / "shop.yaml"
    path.write_text(manifest, encoding="utf-8")
    given = {
        "manifest": str(path),
        "variables": {"url": simulator.url},
        "secrets": {"token": TOKEN},
        **config,
    }
    return RestConnector(RestConfig.model_validate(given))
