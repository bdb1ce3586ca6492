"""An embedded PostgreSQL in a folder: for trying out, tests and single machines.

Everything here blocks (a first start takes seconds): from a coroutine use `asyncio.to_thread`.
"""

from etl_core.store.embedded.server import EmbeddedServer, default_folder, start, stop

__all__ = ["EmbeddedServer", "default_folder", "start", "stop"]
