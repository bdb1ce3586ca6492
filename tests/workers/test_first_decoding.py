"""Batches that are read at the same moment by a worker that has just begun."""

from __future__ import annotations

import subprocess
import sys

FIRST_AT_ONCE = """
import os, sys, threading
import msgspec
from etl_core.connector import Column, ColumnType, Stream
from workers import batch_work
from workers.transform import TypedRows
from workers.typed_payload import decode_typed, encode_typed

told = [{"name": "s", "columns": [{"name": "id", "type": "bigint"}], "key": ["id"]}]
stream = Stream("s", (Column("id", ColumnType.BIGINT),), ("id",))
payload = encode_typed([TypedRows(stream, [(1,)], [1])])

def read(go):
    go.wait()
    assert decode_typed(payload)[0].stream == stream
    assert msgspec.convert(told, list[Stream]) == [stream]

for _ in range(30):
    child = os.fork()
    if child == 0:  # where nobody has read anything yet
        sys.setswitchinterval(1e-6)
        go = threading.Barrier(4)
        threads = [threading.Thread(target=read, args=(go,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        sys.exit(f"a process ended with {status}")
"""


def test_the_first_batches_may_be_read_by_several_threads() -> None:
    """A load worker that was rung four times at once died of it."""
    ended = subprocess.run([sys.executable, "-c", FIRST_AT_ONCE], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
