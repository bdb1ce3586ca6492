"""`python -m tests.connectors_soak github --minutes 10 --kills 50`: faults, changes and kills for so long."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.connectors_soak.campaign import soak
from tests.connectors_soak.files import AzureSource, FilesSource, GoogleSource
from tests.connectors_soak.github import GitHubSource
from tests.connectors_soak.jira import JIRA_SOURCES
from tests.connectors_soak.postgres import PostgresSource
from tests.connectors_soak.rest import REST_SOURCES
from tests.connectors_soak.source import Source

SOURCES: dict[str, Callable[[int], Source]] = {
    "files": FilesSource,
    "files-azure": AzureSource,
    "files-gcs": GoogleSource,
    "github": GitHubSource,
    "postgres": PostgresSource,
    **JIRA_SOURCES,
    **REST_SOURCES,
}
"""Name -> its source, made from a seed."""


def main() -> int:
    """0 when what was loaded is complete and exact; prints the seed, what was done, and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", choices=sorted(SOURCES))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--kills", type=int, default=50, help="kill -9 of the workers, at random times")
    parser.add_argument("--faults", type=float, default=0.2, help="share of the calls that meet one")
    parser.add_argument("--seed", type=int)
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else secrets.randbelow(1_000_000)
    # Right under /tmp: as root the embedded server must get into it.
    folder = Path(tempfile.mkdtemp(prefix="etl-soak-", dir="/tmp"))
    folder.chmod(0o755)
    print(f"{args.source}, seed {seed}; logs: {folder}", flush=True)
    source = SOURCES[args.source](seed)
    seconds = args.minutes * 60
    verdict = asyncio.run(
        soak(folder, source, seed=seed, seconds=seconds, kills=args.kills, share=args.faults)
    )
    print(verdict)
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
