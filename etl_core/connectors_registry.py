"""Finds connectors by their integration type, ours and those of installed packages alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ValidationError

from etl_core.connector import Connector, FixedStreams
from etl_core.errors import InvalidInput
from etl_core.models.connector import ConnectorRow
from etl_core.validation_text import describe

GROUP = "etl_tui.connectors"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]").search


@cache
def connector_types() -> tuple[str, ...]:
    """The installed integration types, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


@cache
def find_connector(integration_type: str) -> type[Connector]:
    """The connector class of an integration type.

    Raises:
        InvalidInput: no installed package offers this type; the message lists those that are there.
    """
    for point in entry_points(group=GROUP, name=integration_type):
        loaded: type[Connector] = point.load()
        return loaded
    offered = ", ".join(connector_types()) or "none (is etl-tui installed? `pip install .`)"
    raise InvalidInput(f"no connector of type {integration_type!r}; installed: {offered}")


def installed_connectors() -> Iterator[ConnectorRow]:
    """All installed types, sorted, and the Singer taps; one that cannot be loaded says why."""
    from etl_core.taps import installed_taps

    for name in connector_types():
        (point, *_) = entry_points(group=GROUP, name=name)
        yield _row(point)
    for tap in installed_taps():
        yield ConnectorRow(
            type="singer",
            package=tap.name,
            version=tap.version,
            default_max_runs=1,
            summary=tap.summary,
            tap=tap.name,
            licence=tap.licence,
        )


def _row(point: EntryPoint) -> ConnectorRow:
    package, version = (point.dist.name, point.dist.version) if point.dist else (None, None)
    try:
        kind = find_connector(point.name)
        return ConnectorRow(
            type=point.name,
            package=package,
            version=version,
            default_max_runs=default_max_runs(point.name),
            summary=(kind.__doc__ or "").strip().partition("\n")[0],
            streams=tuple(kind.stream_names) if isinstance(kind, FixedStreams) else (),
        )
    except Exception as error:  # whatever a broken package raises
        told = " ".join(f"{type(error).__name__}: {error}".split())
        return ConnectorRow(type=point.name, package=package, version=version, error=told)


def default_max_runs(integration_type: str) -> int | None:
    """How many runs a new integration of this type may have at once; None: no limit.

    Raises:
        InvalidInput: no installed package offers this type.
    """
    # A class that only looks like a Connector inherits no default.
    limit: int | None = getattr(
        find_connector(integration_type), "default_max_runs", Connector.default_max_runs
    )
    return limit


def check_config(integration_type: str, config: dict[str, Any]) -> dict[str, Any]:
    """The configuration as it was given, once the connector's model has accepted it.

    As given, not as the model would write it: that puts asterisks where a secret's reference stood, and the
    model's own names where an alias did. The worker reads it through the same model.

    Raises:
        InvalidInput: naming each field that is unknown, missing or wrong.
    """
    model = find_connector(integration_type).Config
    _refuse_unstorable(config, "")
    try:
        model.model_validate(config)
    except ValidationError as error:
        raise InvalidInput(f"config of type {integration_type}: {describe(error)}") from None
    return config


def _refuse_unstorable(value: Any, where: str) -> None:
    """Raises InvalidInput for a text that PostgreSQL cannot store, naming its field."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _refuse_unstorable(name, f"{where}{name!a}")
            _refuse_unstorable(inner, f"{where}{name}.")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_unstorable(inner, f"{where}{index}.")
    elif isinstance(value, str) and _UNSTORABLE(value):
        raise InvalidInput(f"config: {where.rstrip('.')}: holds a NUL character or half of a surrogate pair")
