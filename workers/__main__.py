"""`etl-worker`: the process that extracts, transforms and loads."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys

from etl_core import __version__
from etl_core.broker.protocol import ALL_STAGES
from etl_core.errors import EtlError

OBJECTS_BEFORE_COLLECTION = 50_000
"""Python's 700 would have it look for cycles at every hundredth record, and there are none in records."""
TURN = 0.001
"""Seconds for which a thread may keep the others waiting: with Python's 5 ms each answer of PostgreSQL waits
so long for a page that is read and one that is transformed."""


def main(argv: list[str] | None = None) -> int:
    """Runs until SIGTERM or SIGINT; 0 after a clean end, else the exit code of what was wrong."""
    parser = argparse.ArgumentParser(
        prog="etl-worker",
        description="Extracts, transforms and loads. Run one or many, for all stages or for some of them; "
        "settings: ETL_*.",
    )
    parser.add_argument("--version", action="version", version=f"etl-worker {__version__}")
    parser.add_argument(
        "--concurrency",
        type=int,
        default=4,
        metavar="N",
        help="runs, and batches beside them, at once (default: 4)",
    )
    parser.add_argument(
        "--stages",
        default=",".join(ALL_STAGES),
        metavar="LIST",
        help="what it does, separated by commas (default: %(default)s)",
    )
    parser.add_argument("--with-parent", action="store_true", help="stop when stdin ends (for supervisors)")
    args = parser.parse_args(argv)
    if not 1 <= args.concurrency <= 100:
        parser.error(f"--concurrency {args.concurrency}: 1 to 100 runs at once")
    stages = [stage for stage in ALL_STAGES if stage in args.stages.replace(" ", "").split(",")]
    if unknown := sorted({*args.stages.replace(" ", "").split(",")} - {*ALL_STAGES}):
        parser.error(
            f"--stages {args.stages}: there is no stage {unknown[0]!r}; stages: {', '.join(ALL_STAGES)}"
        )
    try:
        from etl_core.budgets import wait_at_most
        from etl_core.contexts import refuse_read_only
        from etl_core.process import configure_logging
        from etl_core.settings import load_settings
        from workers.allocator import give_large_blocks_back
        from workers.process import run_worker

        give_large_blocks_back()
        settings = load_settings()
        refuse_read_only(settings, "etl-worker")
        configure_logging(settings)
        wait_at_most(settings.limit_patience)
        gc.set_threshold(OBJECTS_BEFORE_COLLECTION)
        sys.setswitchinterval(TURN)
        asyncio.run(run_worker(settings, slots=args.concurrency, stages=stages, with_parent=args.with_parent))
    except EtlError as error:
        print(f"etl-worker: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
