"""A stored checkpoint, read through the models of its connector."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from etl_core.connector import CheckedCheckpoint, CheckpointByStream, ExtractContext, JsonObject
from etl_core.errors import Permanent
from etl_core.validation_text import describe

BookmarkT = TypeVar("BookmarkT", bound=BaseModel)
ResumeT = TypeVar("ResumeT", bound=BaseModel)
_ModelT = TypeVar("_ModelT", bound=BaseModel)


def read_state(
    context: ExtractContext,
    stream: str,
    partition: str,
    bookmark: type[BookmarkT],
    resume: type[ResumeT],
) -> tuple[BookmarkT | None, ResumeT | None]:
    """Bookmark and resume of one partition; None for what is not there.

    Raises:
        Permanent: a value does not fit its model, for somebody edited it; it names the field.
    """
    state = context.state(stream, partition)
    where = f"checkpoint of {stream}, {partition}"
    return (
        _read(state.bookmark, bookmark, f"{where}: bookmark"),
        _read(state.resume, resume, f"{where}: resume"),
    )


def models_of(
    connector: object, stream: str, partition: str
) -> tuple[type[BaseModel], type[BaseModel]] | None:
    """What a connector, or its class, declares for bookmark and resume of a partition; None: nothing."""
    if isinstance(connector, CheckpointByStream):
        return connector.checkpoint_models(stream, partition)
    if isinstance(connector, CheckedCheckpoint):
        return connector.Bookmark, connector.Resume
    return None


def _read(value: JsonObject | None, model: type[_ModelT], where: str) -> _ModelT | None:
    if value is None:
        return None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Permanent(f"{where} cannot be read ({describe(error)}); repair it or clear it") from None
