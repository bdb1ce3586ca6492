"""Microsoft Graph's delta queries of users and groups.

https://learn.microsoft.com/graph/delta-query-users, delta-query-groups: a walk ends with a delta link; later
ones bring the changed properties of what changed, `@removed` for what is gone, members as `members@delta`;
pages may be empty and lead on; a group with many members comes in several pages.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.simulators.rest.simulator import MicrosoftSimulator
from tests.simulators.rest.world import Row, Table

MEMBERS_A_PAGE = 4


@dataclass
class _Walk:
    """What a token stands for."""

    table: str
    items: list[Row]
    began_at: int
    """The change that the next delta link begins behind."""
    at: int = 0


@dataclass
class EntraSimulator(MicrosoftSimulator):
    """Properties besides id: users displayName, department, mail; groups displayName, description,
    members."""

    walks: dict[str, _Walk] = field(default_factory=dict)
    deltas: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Delta token -> its table and the change that it stands for."""
    expired: set[str] = field(default_factory=set)
    expired_status: int = 410
    expiry: float = 0.0
    """Share of the requests at which all tokens given out so far expire."""

    def populate(self) -> None:
        self.users = self.world.table(
            "users",
            lambda rng, n: {
                "id": f"user-{n:04d}",
                "displayName": f"User {n}",
                "department": rng.choice(["Sales", "IT", None]),
                "mail": f"user{n}@example.com",
            },
            edit=_edit,
            stamps=False,
        )
        self.groups = self.world.table(
            "groups",
            lambda rng, n: {
                "id": f"group-{n:04d}",
                "displayName": f"Group {n}",
                "description": None,
                "members": sorted(rng.sample(list(self.users.rows), rng.randrange(9))),
            },
            edit=self._edit_group,
            stamps=False,
        )
        for _ in range(23):
            self.users.add()
        for _ in range(6):
            self.groups.add()

    def expire(self) -> None:
        """All tokens given out so far are worth nothing any more."""
        self.expired |= {*self.walks, *self.deltas}

    def routes(self) -> list[web.RouteDef]:
        return [
            self.token_route(),
            web.get("/v1.0/users/delta", self._delta),
            web.get("/v1.0/groups/delta", self._delta),
        ]

    def _edit_group(self, rng: Any, row: Row) -> None:
        if rng.random() < 0.5:
            row["description"] = f"changed {rng.randrange(10**6)}"
            return
        members = set(row["members"])
        for user in rng.sample(list(self.users.rows), min(3, len(self.users.rows))):
            members ^= {user}
        row["members"] = sorted(members)

    async def _delta(self, request: web.Request) -> web.Response:
        if self.world.rng.random() < self.expiry:
            self.expire()
        table = request.path.split("/")[2]
        if token := request.query.get("$skiptoken"):
            if token in self.expired or token not in self.walks:
                return self._gone()
            walk = self.walks[token]
        elif token := request.query.get("$deltatoken"):
            if token in self.expired or token not in self.deltas:
                return self._gone()
            walk = _Walk(table, list(self._changes(table, self.deltas[token][1])), self.world.changes)
        else:
            walk = _Walk(table, list(self._everything(table)), self.world.changes)
        return self._page(walk)

    def _page(self, walk: _Walk) -> web.Response:
        size = 0 if self.world.rng.random() < 0.15 else self.page
        value = walk.items[walk.at : walk.at + size]
        body: dict[str, Any] = {"@odata.context": f"{self.url}/v1.0/$metadata#{walk.table}", "value": value}
        behind = walk.at + len(value)
        token = secrets.token_urlsafe(16)
        if behind < len(walk.items):
            self.walks[token] = _Walk(walk.table, walk.items, walk.began_at, behind)
            body["@odata.nextLink"] = f"{self.url}/v1.0/{walk.table}/delta?$skiptoken={token}"
        else:
            self.deltas[token] = (walk.table, walk.began_at)
            body["@odata.deltaLink"] = f"{self.url}/v1.0/{walk.table}/delta?$deltatoken={token}"
        return web.json_response(body)

    def _everything(self, name: str) -> Any:
        for row in self.world.tables[name].rows.values():
            yield from self._whole(row)

    def _whole(self, row: Row) -> Any:
        properties = {field: value for field, value in row.items() if field != "members"}
        members = [{"@odata.type": "#microsoft.graph.user", "id": id_} for id_ in row.get("members", ())]
        yield properties | ({"members@delta": members[:MEMBERS_A_PAGE]} if members else {})
        for at in range(MEMBERS_A_PAGE, len(members), MEMBERS_A_PAGE):
            yield {"id": row["id"], "members@delta": members[at : at + MEMBERS_A_PAGE]}

    def _changes(self, name: str, since: int) -> Any:
        table: Table = self.world.tables[name]
        for key in table.changed_since(since):
            before, after = table.at(key, since), table.rows.get(key)
            if after is None:
                if before is not None:
                    yield {"id": key, "@removed": {"reason": self.world.rng.choice(["changed", "deleted"])}}
                continue
            if before is None:
                yield from self._whole(after)
                continue
            changed = {f: v for f, v in after.items() if f not in ("id", "members") and before[f] != v}
            had, has = set(before.get("members", ())), set(after.get("members", ()))
            members = [{"@odata.type": "#microsoft.graph.user", "id": id_} for id_ in sorted(has - had)]
            members += [{"id": id_, "@removed": {"reason": "deleted"}} for id_ in sorted(had - has)]
            yield {"id": key, **changed} | ({"members@delta": members} if members else {})

    def _gone(self) -> web.Response:
        error = {
            "code": "syncStateNotFound",
            "message": "The sync state generation is not found; do a full sync.",
        }
        return web.json_response({"error": error}, status=self.expired_status)


def _edit(rng: Any, row: Row) -> None:
    field = rng.choice(["displayName", "department"])
    row[field] = rng.choice([None, f"{field} {rng.randrange(10**6)}"])
