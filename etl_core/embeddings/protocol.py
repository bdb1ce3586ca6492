"""What every provider of vectors offers, and what is demanded of its answers."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from etl_core.errors import Permanent

Vector = list[float]
"""Finite numbers; their count is the model's dimension."""

Provider = Literal["local", "http"]

MAX_DIMENSION = 16_000
"""pgvector's own limit."""

_LARGEST = 3.4028234e38
"""pgvector keeps numbers of 4 bytes."""

EXTRA_MISSING = "vectorizing needs more packages here: pip install 'etl-tui[vectorize]'"


@dataclass(frozen=True, slots=True)
class EmbedderConfig:
    """Which model embeds, and where it is."""

    provider: Provider
    model: str
    url: str | None = None
    """Of an HTTP endpoint: what comes before `/embeddings`, such as http://127.0.0.1:11434/v1."""
    api_key: str | None = None
    """A reference to the endpoint's key: env:NAME or file:/path."""
    dimension: int | None = None
    """What an answer must have; None: what the first one has."""


class Embedder(Protocol):
    """One model."""

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """A vector per text, in their order, all of one dimension.

        Every exception is a `SourceError`; none is retried here.

        Raises:
            BadRecord: the provider refuses these texts, or one of them; others may do.
            RateLimited, Transient: later it may work.
            Unauthorised, Permanent: a person has to do something.
        """


def check_vectors(vectors: Sequence[Sequence[object]], *, texts: int, config: EmbedderConfig) -> list[Vector]:
    """The answer of a provider as vectors, if it is one.

    Raises:
        Permanent: not a vector for each text, not all numbers, or another dimension than the recorded one.
    """
    where = f"model {config.model}" + (f" at {config.url}" if config.url else "")
    if len(vectors) != texts:
        raise Permanent(f"{where} gave {len(vectors)} vectors for {texts} texts: it cannot be used as it is")
    checked = [_numbers(vector, where) for vector in vectors]
    dimensions = {len(vector) for vector in checked}
    if len(dimensions) > 1 or not all(0 < dimension <= MAX_DIMENSION for dimension in dimensions):
        shown = ", ".join(str(dimension) for dimension in sorted(dimensions))
        raise Permanent(f"{where} gave vectors of dimension {shown}: one from 1 to {MAX_DIMENSION} is wanted")
    if config.dimension is not None and dimensions - {config.dimension}:
        raise Permanent(
            f"{where} gave vectors of dimension {dimensions.pop()}, and {config.dimension} is recorded: "
            "another model answers to this name now; set it again with --dimension to embed all anew"
        )
    return checked


def _numbers(vector: Sequence[object], where: str) -> Vector:
    """All at once, in C: a batch has some 100,000 of them."""
    try:
        numbers: array[float] = array("d", cast("Sequence[float]", vector))
    except (TypeError, OverflowError):
        numbers = array("d", [math.nan])
    # One NaN makes the sum NaN; the sum of numbers that fit is finite.
    within = not numbers or (min(numbers) >= -_LARGEST and max(numbers) <= _LARGEST)
    if not within or not math.isfinite(sum(numbers)):
        raise Permanent(f"{where} gave a vector that is not all numbers: it cannot be used as it is")
    return numbers.tolist()
