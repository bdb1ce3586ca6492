"""Kills process groups when its parent is gone, however that died: `python process_guard.py PGID...`.

It waits for the end of its standard input, which the parent holds open; a finished parent need not say so.
"""

import contextlib
import os
import signal
import sys


def main() -> None:
    """Wait for the end of standard input, then kill the groups."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    sys.stdin.buffer.read()
    for group in sys.argv[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(group), signal.SIGKILL)


if __name__ == "__main__":
    main()
