"""`python -m tests.chaos.soak --minutes 30`: campaigns on both transports in turn, a new seed each."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.campaign import campaign


def main() -> int:
    """0 when every campaign held; prints seed, faults and verdict of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument(
        "--each", type=float, default=120, help="seconds of faults in a campaign (default: 120)"
    )
    parser.add_argument("--seed", type=int, help="one campaign with this seed, on --transport")
    parser.add_argument("--transport", choices=("postgres", "amqp"), default="postgres")
    args = parser.parse_args()
    ends = time.monotonic() + args.minutes * 60
    amqp, failed, number = args.transport == "amqp", 0, 0
    while number == 0 or (args.seed is None and time.monotonic() < ends):
        seed = args.seed if args.seed is not None else secrets.randbelow(1_000_000)
        # Right under /tmp: as root the embedded server must get into it.
        folder = Path(tempfile.mkdtemp(prefix="etl-chaos-", dir="/tmp"))
        folder.chmod(0o755)
        verdict = asyncio.run(campaign(folder, seed=seed, seconds=args.each, amqp=amqp))
        print(f"{verdict}\nlogs: {folder}\n", flush=True)
        failed += not verdict.held
        amqp, number = not amqp, number + 1
    print(f"{number} campaigns, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
