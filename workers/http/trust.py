"""Whom TLS trusts: read once, and again when the environment or the file of authorities changes."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path

import httpx


def authorities() -> ssl.SSLContext:
    """As httpx makes it of SSL_CERT_FILE and SSL_CERT_DIR: to read 150 certificates takes longer than a call.

    Raises:
        OSError: a file that cannot be read, or holds none.
    """
    file, folder = os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", "")
    return _read(file, folder, Path(file).stat().st_mtime_ns if file else 0)


@lru_cache(maxsize=4)
def _read(file: str, folder: str, modified_ns: int) -> ssl.SSLContext:
    return httpx.create_ssl_context()
