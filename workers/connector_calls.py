"""Calls into a connector: what it should not raise becomes a SourceError, never taken for one of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

import structlog

from etl_core.connector import Connector, Record, Stream
from etl_core.errors import SourceError
from workers.transform import TypedRows, transform_records

log = structlog.get_logger()

T = TypeVar("T")


async def ask(answer: Awaitable[T]) -> T:
    """Awaits a connector.

    Raises:
        SourceError: what the connector raised; of kind `internal` when it should not have.
    """
    try:
        return await answer
    except (SourceError, StopAsyncIteration):
        raise
    except Exception as error:
        raise defect(error) from error


def build(kind: type[Connector], config: Any) -> Connector:
    """A connector for a checked configuration; raises as `ask` does."""
    try:
        return kind(config)
    except SourceError:
        raise
    except Exception as error:
        raise defect(error) from error


def transform(connector: Connector, stream: Stream, records: Iterable[Record]) -> TypedRows:
    """Typed rows of a stream's records; raises as `ask` does."""
    try:
        return transform_records(connector, stream, records)
    except SourceError:
        raise
    except Exception as error:
        raise defect(error) from error


def defect(error: Exception) -> SourceError:
    """What a connector should not have raised, told and logged as a defect of it."""
    log.exception("the connector failed unexpectedly")
    return SourceError(f"the connector failed unexpectedly: {type(error).__name__}: {error}")
