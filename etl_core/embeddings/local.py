"""A small model on this machine: WordLlama, whose weights are in its package. Nothing is ever downloaded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from etl_core.embeddings.protocol import EXTRA_MISSING, EmbedderConfig, Vector, check_vectors
from etl_core.errors import Permanent

MODELS: Final = {"wordllama-256": 256, "wordllama-128": 128, "wordllama-64": 64}
"""Name -> dimension. The shorter ones are the beginning of the longest: it was trained so (Matryoshka)."""
DEFAULT_MODEL: Final = "wordllama-256"
AT_ONCE: Final = 8
"""Texts are padded to the longest of them: so many of 8,000 characters take some 20 MB."""


class LocalEmbedder:
    """One loaded model. Embedding runs in a thread: some 10,000 short texts a second on one core."""

    def __init__(self, config: EmbedderConfig, model: Any) -> None:
        self._config = config
        self._model = model

    @classmethod
    async def load(cls, config: EmbedderConfig) -> LocalEmbedder:
        """Takes about half a second the first time in a process.

        Raises:
            Permanent: no such model, or its package is not installed.
        """
        if config.model not in MODELS:
            names = ", ".join(MODELS)
            raise Permanent(f"no local model {config.model!r}; there are {names}")
        return cls(config, await asyncio.to_thread(_load, MODELS[config.model]))

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        if not texts:
            return []
        vectors = await asyncio.to_thread(self._embed, list(texts))
        return check_vectors(vectors, texts=len(texts), config=self._config)

    def _embed(self, texts: list[str]) -> list[list[float]]:
        answer: list[list[float]] = self._model.embed(texts, batch_size=AT_ONCE).tolist()
        return answer


@cache
def _load(dimension: int) -> Any:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        import wordllama
    except ImportError:
        raise Permanent(EXTRA_MISSING) from None
    finally:  # it configures the whole program's logging when imported
        root.handlers[:] = handlers
        root.setLevel(level)
    # It looks for its tokenizer in a folder that the package does not have; as a cache its own folder fits.
    folder = Path(wordllama.__file__).parent
    try:
        return wordllama.WordLlama.load(
            cache_dir=folder,
            trunc_dim=dimension if dimension < MODELS[DEFAULT_MODEL] else None,
            disable_download=True,
        )
    except (OSError, ValueError) as error:
        raise Permanent(f"the local model cannot be loaded from its package wordllama: {error}") from error
