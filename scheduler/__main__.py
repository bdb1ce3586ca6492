"""`etl-scheduler`: the process that lets jobs run themselves."""

from __future__ import annotations

import argparse
import asyncio
import sys

from etl_core import __version__
from etl_core.errors import EtlError


def main(argv: list[str] | None = None) -> int:
    """Runs until SIGTERM or SIGINT; 0 after a clean end, else the exit code of what was wrong."""
    parser = argparse.ArgumentParser(
        prog="etl-scheduler",
        description="Claims jobs that fall due and rings for workers. Run one or several; settings: ETL_*.",
    )
    parser.add_argument("--version", action="version", version=f"etl-scheduler {__version__}")
    parser.add_argument("--with-parent", action="store_true", help="stop when stdin ends (for supervisors)")
    args = parser.parse_args(argv)
    try:
        from etl_core.contexts import refuse_read_only
        from etl_core.process import configure_logging
        from etl_core.settings import load_settings
        from scheduler.process import run_scheduler

        settings = load_settings()
        refuse_read_only(settings, "etl-scheduler")
        configure_logging(settings)
        asyncio.run(run_scheduler(settings, with_parent=args.with_parent))
    except EtlError as error:
        print(f"etl-scheduler: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
