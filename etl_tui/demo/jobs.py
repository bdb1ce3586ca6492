"""The demo's jobs: over input that is really there (a package's CSV, a git history, the zone table), and over
GitHub and Jira, simulated."""

from __future__ import annotations

import subprocess
import zoneinfo
from collections.abc import Coroutine
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl_core.errors import Conflict, InvalidInput, Unreachable
from etl_tui.demo.sources import GITHUB_TOKEN, JIRA_EMAIL, JIRA_TOKEN, Sources

if TYPE_CHECKING:
    from etl_core.control.audit import Actor
    from etl_core.store.database import Connection

ZONE_COLUMNS = ("countries", "coordinates", "zone", "comment")


@dataclass(frozen=True, slots=True)
class DemoJob:
    """A job of the demo, and how its run has to end."""

    tenant: str
    name: str
    integration: str
    type: str
    config: dict[str, Any] = field(default_factory=dict)
    schedule_minutes: int = 10
    retry_minutes: int = 2
    must_fail: bool = False

    @property
    def full_name(self) -> str:
        return f"{self.tenant}/{self.name}"


def demo_jobs(folder: Path, repository: Path | None, sources: Sources) -> list[DemoJob]:
    """The jobs, in the order of the grid; the history job only where there is a repository.

    Args:
        folder: where the demo may keep input that it prepares; made when it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [
        DemoJob(
            "acme",
            "airports",
            "airportsdata",
            "files",
            {"path": str(_airports_csv()), "format": "csv", "stream": "airports", "key": ["icao"]},
        ),
        DemoJob(
            "acme",
            "payments",
            "payments-drop",
            "files",
            {"path": str(folder / "inbox" / "payments.csv"), "stream": "payments", "key": ["id"]},
            must_fail=True,
        ),
        DemoJob(
            "globex",
            "timezones",
            "zoneinfo",
            "files",
            {"path": str(_zone_table(folder)), "format": "tsv", "stream": "zones", "key": ["zone"]},
            schedule_minutes=1440,
        ),
        DemoJob(
            "acme",
            "GitHub",
            "github",
            "github",
            {
                "api_url": sources.github,
                "token": f"file:{_secret(folder, 'github-token', GITHUB_TOKEN)}",
                "owners": ["octo"],
                "page_size": 10,
            },
        ),
        DemoJob(
            "globex",
            "Jira",
            "jira",
            "jira",
            {
                "site": sources.jira,
                "auth": {
                    "type": "api_token",
                    "email": JIRA_EMAIL,
                    "api_token": f"file:{_secret(folder, 'jira-token', JIRA_TOKEN)}",
                },
            },
        ),
    ]
    if repository:
        jobs.append(
            DemoJob("globex", "history", "repository", "git", {"path": str(repository)}, schedule_minutes=5)
        )
    return sorted(jobs, key=lambda job: job.name.lower())


def _secret(folder: Path, name: str, secret: str) -> Path:
    """A file as a secret is kept in one, for its owner alone."""
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(secret, encoding="utf-8")
    return path.resolve()


async def set_up(conn: Connection, jobs: list[DemoJob]) -> dict[str, int]:
    """Makes what is not there yet, points the integrations at today's paths; job ids by full name."""
    from etl_core.control.audit import Actor
    from etl_core.control.integrations import add_integration, change_config
    from etl_core.control.jobs import add_job, find_job
    from etl_core.control.tenants import add_tenant

    actor = Actor.current()
    ids = {}
    for job in jobs:
        await _made(add_tenant(conn, job.tenant, actor))
        added = await _made(
            add_integration(
                conn,
                tenant=job.tenant,
                name=job.integration,
                integration_type=job.type,
                config=job.config,
                actor=actor,
            )
        )
        if not added:
            await change_config(conn, tenant=job.tenant, name=job.integration, config=job.config, actor=actor)
        was_added = await _made(
            add_job(
                conn,
                tenant=job.tenant,
                job_name=job.name,
                integration=job.integration,
                schedule_minutes=job.schedule_minutes,
                retry_minutes=job.retry_minutes,
                actor=actor,
            )
        )
        ids[job.full_name] = await find_job(conn, job.full_name)
        if not was_added:  # one of the four that every tenant begins with, or of an earlier demo
            await _connect(conn, ids[job.full_name], job, actor)
    return ids


async def _connect(conn: Connection, job_id: int, job: DemoJob, actor: Actor) -> None:
    """Gives it its integration and intervals; one whose run an earlier demo left behind has them."""
    from etl_core.control.jobs import assign_integration, change_settings, settings_request, show_job

    if (await show_job(conn, job_id)).integration == job.integration:
        return
    await assign_integration(conn, job_id, job.integration, actor)
    request = settings_request(job.schedule_minutes, job.retry_minutes)
    await change_settings(conn, job_id, request, actor)


def find_repository(named: str | None) -> Path | None:
    """The repository whose history is read: the one named, else this program's own, else the one around us.

    Raises:
        InvalidInput: the one named is none.
    """
    if named:
        path = _top_level(Path(named).expanduser())
        if path is None:
            raise InvalidInput(f"--repository {named}: no git repository there")
        return path
    return _top_level(Path(__file__).parent) or _top_level(Path.cwd())


def _top_level(path: Path) -> Path | None:
    try:
        found = subprocess.run(
            ["git", "-C", str(path), "rev-parse", "--absolute-git-dir"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    if found.returncode != 0:
        return None
    git_dir = Path(found.stdout.strip())
    return git_dir.parent if git_dir.name == ".git" else git_dir


def _airports_csv() -> Path:
    try:
        path = Path(str(files("airportsdata"))) / "airports.csv"
    except ModuleNotFoundError:
        raise Unreachable("the demo needs its extra: pip install 'etl-tui[demo]'") from None
    return path


def _zone_table(folder: Path) -> Path:
    """The machine's own zone1970.tab (else the tzdata package's), its comments replaced by a header."""
    candidates = [Path(where) / "zone1970.tab" for where in zoneinfo.TZPATH]
    candidates.append(Path(str(files("tzdata"))) / "zoneinfo" / "zone1970.tab")
    source = next(path for path in candidates if path.is_file())
    lines = [
        line for line in source.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")
    ]
    # The last column is optional there; a table has it in every row.
    rows = [line + "\t" * (len(ZONE_COLUMNS) - 1 - line.count("\t")) for line in lines]
    target = folder / "zones.tsv"
    text = "\n".join(["\t".join(ZONE_COLUMNS), *rows]) + "\n"
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")
    return target


async def _made(action: Coroutine[Any, Any, object]) -> bool:
    """Whether it was made now; False when it was there already."""
    try:
        await action
    except Conflict:
        return False
    return True
