"""Opens the embedder that a configuration names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from etl_core.embeddings.api_key import read_api_key
from etl_core.embeddings.protocol import Embedder, EmbedderConfig


@asynccontextmanager
async def open_embedder(config: EmbedderConfig) -> AsyncIterator[Embedder]:
    """The embedder, closed at the end. Opening an HTTP one asks nothing of it yet.

    Raises:
        Permanent: no such local model, or the extra `vectorize` is not installed.
        Unauthorised: the reference to the key leads nowhere.
    """
    if config.provider == "http":
        from etl_core.embeddings.http import HttpEmbedder

        async with HttpEmbedder(config, api_key=read_api_key(config.api_key)) as embedder:
            yield embedder
    else:
        from etl_core.embeddings.local import LocalEmbedder

        yield await LocalEmbedder.load(config)
