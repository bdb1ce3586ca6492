"""Turns text into vectors: a model of this machine, or an OpenAI-compatible HTTP endpoint.

    async with open_embedder(EmbedderConfig("local", "wordllama-256")) as embedder:
        vectors = await embedder.embed(["a bug in the parser"])

Providers are imported when one is opened: the extra `vectorize` brings what they need, and nothing else of
the program has to pay for it.
"""

from etl_core.embeddings.open import open_embedder
from etl_core.embeddings.protocol import Embedder, EmbedderConfig, Vector

__all__ = ["Embedder", "EmbedderConfig", "Vector", "open_embedder"]
