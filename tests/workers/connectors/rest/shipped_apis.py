"""The shipped manifests, each with the simulator of its API, and what a destination must hold of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl_core.connector import Connector
from etl_core.testing.destination import Destination
from tests.simulators.rest.entra import EntraSimulator
from tests.simulators.rest.fabric import FabricSimulator
from tests.simulators.rest.gitlab import GitLabSimulator
from tests.simulators.rest.pagerduty import PagerDutySimulator
from tests.simulators.rest.sentry import SentrySimulator
from tests.simulators.rest.simulator import TOKEN, RestSimulator
from tests.simulators.rest.world import Facts, Row, differences
from workers.connectors.rest import RestConnector
from workers.connectors.rest.config import RestConfig
from workers.connectors.rest.shipped import shipped_text

FactsOf = Callable[[Row], Facts]


@dataclass(frozen=True)
class ShippedApi:
    """A manifest and its simulator."""

    name: str
    make: Callable[..., RestSimulator]
    secret: str
    streams: Mapping[str, FactsOf]
    """Stream -> the columns to be compared, of a record of the API."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    smaller: Mapping[str, str] = field(default_factory=dict)
    """Replacements in the manifest that make its pages small."""
    keeps_deleted: tuple[str, ...] = ()
    """Streams whose API does not tell of deletions."""

    def connector(self, simulator: RestSimulator, folder: Path) -> Connector:
        """A new one; its manifest with small pages, so that there are many."""
        return RestConnector(RestConfig.model_validate(self.config(simulator, folder, TOKEN)))

    def config(self, simulator: RestSimulator, folder: Path, secret: str) -> dict[str, Any]:
        """Of an integration."""
        text = shipped_text(self.name)
        for old, new in self.smaller.items():
            assert old in text
            text = text.replace(old, new)
        path = folder / f"{self.name}.yaml"
        path.write_text(text, encoding="utf-8")
        login = {"login_url": simulator.url} if "login_url" in text else {}
        return {
            "manifest": str(path),
            "variables": {"url": simulator.url, **login, **self.variables},
            "secrets": {self.secret: secret},
        }

    def check(self, simulator: RestSimulator, loaded: Destination, since: int) -> None:
        """As `world.differences`, for all streams."""
        for stream, facts in self.streams.items():
            table = simulator.world.tables[stream]
            found = self._facts(simulator, loaded, stream)
            wrong = differences(table, found, facts, since, deletions=stream not in self.keeps_deleted)
            assert not wrong, (stream, wrong[:3])

    def check_exactly(self, simulator: RestSimulator, loaded: Destination) -> None:
        """All is as it is now, but for deletions that the API does not tell."""
        for stream, facts in self.streams.items():
            wanted = {key: facts(row) for key, row in simulator.world.tables[stream].rows.items()}
            found = self._facts(simulator, loaded, stream)
            if stream in self.keeps_deleted:
                found = {key: row for key, row in found.items() if key in wanted}
            assert found == wanted, stream

    def _facts(self, simulator: RestSimulator, loaded: Destination, stream: str) -> dict[Any, Facts]:
        names = list(self.streams[stream](next(iter(simulator.world.tables[stream].rows.values()))))
        return {
            key[0]: {name: row.get(name) for name in names}
            for key, row in loaded.rows.get(stream, {}).items()
        }


def pick(*names: str) -> FactsOf:
    return lambda row: {name: row.get(name) for name in names}


ENTRA = ShippedApi(
    "entra",
    EntraSimulator,
    "client_secret",
    {
        "users": lambda row: {"display_name": row["displayName"], **pick("department", "mail")(row)},
        "groups": lambda row: {"display_name": row["displayName"], "description": row["description"]},
    },
    variables={"tenant_id": "acme", "client_id": "app"},
)
FABRIC = ShippedApi(
    "fabric",
    FabricSimulator,
    "client_secret",
    {
        "workspaces": lambda row: {"display_name": row["displayName"]},
        "items": lambda row: {"display_name": row["displayName"], "workspace_id": row["workspaceId"]},
    },
    variables={"tenant_id": "acme", "client_id": "app"},
)
GITLAB = ShippedApi(
    "gitlab",
    GitLabSimulator,
    "token",
    {
        "projects": lambda row: {"name": row["name"], "namespace": "acme"},
        "merge_requests": lambda row: {"updated_at": row["updated_at"], "author": row["author"]["username"]},
        "issues": lambda row: {"updated_at": row["updated_at"], "project_id": row["project_id"]},
    },
    smaller={"size: 100": "size: 5"},
    keeps_deleted=("merge_requests", "issues"),
)
PAGERDUTY = ShippedApi(
    "pagerduty",
    PagerDutySimulator,
    "token",
    {
        "incidents": lambda row: {"title": row["title"], "status": row["status"], "service": "shop"},
        "users": pick("name", "email"),
        "services": pick("name"),
    },
    variables={"since": "2026-02-20"},
    smaller={"limit: 100": "limit: 5", "overlap: 30d": "overlap: 3000d"},
    keeps_deleted=("incidents",),
)
SENTRY = ShippedApi(
    "sentry",
    SentrySimulator,
    "token",
    {
        "projects": lambda row: {"slug": row["slug"], "name": row["name"]},
        "issues": lambda row: {
            "title": row["title"],
            "status": row["status"],
            "project_id": row["project_id"],
        },
    },
    variables={"organization": "acme"},
    keeps_deleted=("projects", "issues"),
)
ALL = (ENTRA, FABRIC, GITLAB, PAGERDUTY, SENTRY)
