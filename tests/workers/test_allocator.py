"""What a worker's process does with memory that it does not need any more."""

from __future__ import annotations

import platform
import subprocess
import sys

# A freed block of 24 MB raises glibc's threshold: of the four after it, below small ones, little goes back.
PROGRAM = """
import psutil
from workers.allocator import give_large_blocks_back
give_large_blocks_back()
bytearray(24 << 20)
large = [bytearray(b"x" * (8 << 20)) for _ in range(4)]
small = [bytearray(100_000) for _ in range(8)]
before = psutil.Process().memory_info().rss
del large
print((before - psutil.Process().memory_info().rss) >> 20)
"""


def test_large_blocks_are_given_back() -> None:
    found = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert int(found.stdout) >= 30 or platform.libc_ver()[0] != "glibc"
