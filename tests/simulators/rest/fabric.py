"""Microsoft Fabric: workspaces and their items.

https://learn.microsoft.com/rest/api/fabric/articles/pagination: `continuationUri` leads on; the token beside
it is escaped already, so that sent as a parameter it is escaped twice, and refused.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

from aiohttp import web

from tests.simulators.rest.simulator import MicrosoftSimulator
from tests.simulators.rest.world import Row


@dataclass
class FabricSimulator(MicrosoftSimulator):
    """Tokens hold the last id of a page: what is deleted meanwhile moves nothing."""

    def populate(self) -> None:
        self.workspaces = self.world.table(
            "workspaces",
            lambda rng, n: {
                "id": _uuid(n),
                "displayName": f"Workspace {n}",
                "description": "",
                "type": "Workspace",
            },
            edit=_rename,
            stamps=False,
        )
        self.items = self.world.table(
            "items",
            lambda rng, n: {
                "id": _uuid(10_000 + n),
                "displayName": f"Item {n}",
                "description": "",
                "type": rng.choice(["Lakehouse", "Notebook", "Report"]),
                "workspaceId": rng.choice(list(self.workspaces.rows)),
            },
            edit=_rename,
            stamps=False,
        )
        for _ in range(9):
            self.workspaces.add()
        for _ in range(60):
            self.items.add()

    def change(self, times: int = 1) -> None:
        super().change(times)
        for key, row in list(self.items.rows.items()):
            if row["workspaceId"] not in self.workspaces.rows:
                self.items.delete(key)

    def routes(self) -> list[web.RouteDef]:
        return [
            self.token_route(),
            web.get("/v1/workspaces", self._workspaces),
            web.get("/v1/workspaces/{id}/items", self._items),
        ]

    async def _workspaces(self, request: web.Request) -> web.Response:
        return self._page(request, list(self.workspaces.rows.values()))

    async def _items(self, request: web.Request) -> web.Response:
        workspace = request.match_info["id"]
        if workspace not in self.workspaces.rows:
            return web.json_response({"errorCode": "WorkspaceNotFound", "message": "not found"}, status=404)
        rows = [row for row in self.items.rows.values() if row["workspaceId"] == workspace]
        return self._page(request, rows)

    def _page(self, request: web.Request, rows: list[Row]) -> web.Response:
        after = ""
        if token := request.query.get("continuationToken"):
            try:
                after = b64decode(unquote(token) if "%" not in token else token, validate=True).decode()
            except ValueError:
                return web.json_response(
                    {"errorCode": "InvalidToken", "message": "invalid token"}, status=400
                )
        ahead = sorted((row for row in rows if row["id"] > after), key=lambda row: str(row["id"]))
        body: dict[str, Any] = {"value": ahead[: self.page]}
        if len(ahead) > self.page:
            escaped = quote(b64encode(ahead[self.page - 1]["id"].encode()).decode(), safe="")
            body["continuationToken"] = escaped
            body["continuationUri"] = f"{self.url}{request.path}?continuationToken={escaped}"
        else:
            body["continuationToken"] = body["continuationUri"] = None
        return web.json_response(body)


def _uuid(number: int) -> str:
    return str(UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128))


def _rename(rng: Any, row: Row) -> None:
    row["displayName"] = f"{row['displayName'].split(' #')[0]} #{rng.randrange(10**6)}"
