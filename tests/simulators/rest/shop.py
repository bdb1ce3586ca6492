"""An API of nobody: orders of customers, listed in each way that a manifest knows."""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.simulators import serve
from tests.simulators.faults import Faults
from tests.simulators.rest.simulator import TOKEN, RestSimulator, number, with_query
from tests.simulators.rest.world import Row

WAYS = ("link", "next", "cursor", "page", "offset", "seek")


@dataclass
class ShopSimulator(RestSimulator):
    """`GET /WAY/orders`, `/WAY/customers`, `/WAY/customers/ID/orders`; `updated_since` is inclusive."""

    customers_at_first: int = 0
    orders_at_first: int = 0
    auth: str = "bearer"
    """bearer, basic, header, query: how the token must come."""
    repeats: bool = False
    """Cursors lead to where they came from."""
    ignores_page: bool = False
    """Every page is the first."""
    empty_for_ever: bool = False
    """Pages hold nothing and promise more."""
    no_place_behind: bool = False
    """Next URLs lead to another host."""

    def populate(self) -> None:
        self.customers = self.world.table(
            "customers", lambda rng, n: {"id": n, "name": f"customer {n}", "address": {"city": "Bonn"}}
        )
        self.orders = self.world.table(
            "orders",
            lambda rng, n: {
                "id": n,
                "customer_id": rng.choice(list(self.customers.rows) or [1]),
                "name": f"order {n}",
                "amount": rng.randrange(10_000) / 100,
                "note": "x" * 600,
            },
        )
        for _ in range(self.customers_at_first):
            self.customers.add()
        for _ in range(self.orders_at_first):
            self.orders.add()

    def admits(self, request: web.Request) -> bool:
        given = {
            "bearer": request.headers.get("Authorization") == f"Bearer {TOKEN}",
            "basic": request.headers.get("Authorization")
            == f"Basic {base64.b64encode(f'me:{TOKEN}'.encode()).decode()}",
            "header": request.headers.get("X-Key") == TOKEN,
            "query": request.query.get("key") == TOKEN,
        }
        return given[self.auth]

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/{way}/orders", self._orders),
            web.get("/{way}/customers", self._customers),
            web.get("/{way}/customers/{id}/orders", self._orders),
        ]

    async def _customers(self, request: web.Request) -> web.Response:
        return self._list(request, list(self.customers.rows.values()))

    async def _orders(self, request: web.Request) -> web.Response:
        rows = list(self.orders.rows.values())
        if (customer := request.match_info.get("id")) is not None:
            if int(customer) not in self.customers.rows:
                return web.json_response({"message": "no such customer"}, status=404)
            rows = [row for row in rows if row["customer_id"] == int(customer)]
        return self._list(request, rows)

    def _list(self, request: web.Request, rows: list[Row]) -> web.Response:
        since = request.query.get("updated_since", "")
        rows = [row for row in rows if row.get("updated_at", "") >= since]
        by_time = request.query.get("sort") == "updated"
        rows.sort(key=lambda row: _place(row, by_time))
        way = request.match_info["way"]
        if way in ("page", "offset", "seek"):
            return self._numbered(request, way, rows)
        size = number(request, "size", self.page)
        after = json.loads(request.query.get("after", "null"))
        ahead = rows if after is None else [row for row in rows if _place(row, by_time) > after]
        held = [] if self.empty_for_ever else ahead[:size]
        if len(ahead) <= size and not self.empty_for_ever:
            return web.json_response({"data": held, "next": None, "cursor": None})
        last = json.dumps(_place(held[-1], by_time) if held else [len(self.calls)], separators=(",", ":"))
        if self.repeats:
            last = request.query.get("after", last)
        url = with_query(request, "http://elsewhere.invalid" if self.no_place_behind else "", after=last)
        if way == "link":
            return web.json_response({"data": held}, headers={"Link": f'<{url}>; rel="next"'})
        return web.json_response({"data": held, "next": url, "cursor": last})

    def _numbered(self, request: web.Request, way: str, rows: list[Row]) -> web.Response:
        size = number(request, "size", self.page)
        at = number(request, "offset", 0) if way == "offset" else (number(request, "page", 1) - 1) * size
        if self.ignores_page:
            at = 0
        pages = -(-len(rows) // size)
        more = at + size < len(rows)
        body: dict[str, Any] = {
            "data": rows[at : at + size],
            "total": len(rows),
            "pages": pages,
            "more": more,
        }
        return web.json_response(body)


def _place(row: Row, by_time: bool) -> list[Any]:
    return [row["updated_at"], row["id"]] if by_time else [row["id"]]


if __name__ == "__main__":
    sys.exit(
        serve.main(
            lambda args: ShopSimulator(
                args.seed,
                Faults(seed=args.seed, share=args.faults),
                customers_at_first=args.customers,
                orders_at_first=args.orders,
                page=100,
            ).application(),
            describe="A made-up shop's API, for manifests.",
            arguments=lambda parser: (
                parser.add_argument("--customers", type=int, default=10),
                parser.add_argument("--orders", type=int, default=1_000),
                None,
            )[-1],
        )
    )
