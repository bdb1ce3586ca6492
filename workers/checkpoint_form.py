"""Brings stored checkpoint values into the form that this program's connector reads.

Each value carries the version of the connector's models that wrote it. An older one is upgraded when it is
read, and stored in the new form when its partition next moves; a newer one is left to the program that wrote
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etl_core.connector import Connector, JsonObject, LegacyCheckpoint, PartitionState, VersionedCheckpoint
from etl_core.errors import SourceError, Transient
from workers.connector_calls import defect

FIRST = 1


def checkpoint_version(connector: Connector) -> int:
    """Of the form that the connector writes."""
    return connector.checkpoint_version if isinstance(connector, VersionedCheckpoint) else FIRST


def up_to_date(connector: Connector, stored: Mapping[str, Any], version: int) -> PartitionState:
    """`stored` has stream, partition, bookmark and resume.

    Raises:
        Transient: a newer program wrote it, of which there is a worker somewhere.
        SourceError: the connector could not upgrade it.
    """
    state = PartitionState(stored["bookmark"], stored["resume"])
    known = checkpoint_version(connector)
    if version == known:
        return state
    if version > known:
        raise Transient(
            f"checkpoint of {stored['stream']}, {stored['partition']}: written in version {version} of its "
            f"form, and this worker knows {known}: run the version of the program that wrote it, or newer",
            retry_in_place=False,
        )
    if not isinstance(connector, VersionedCheckpoint):
        return state
    try:
        return connector.upgrade_state(stored["stream"], stored["partition"], state, version)
    except SourceError:
        raise
    except Exception as error:
        raise defect(error) from error


def from_legacy(connector: Connector, document: JsonObject) -> dict[tuple[str, str], PartitionState]:
    """What a document of the older schema says; nothing when the connector cannot read such.

    Raises:
        SourceError: the connector could not read this one.
    """
    if not isinstance(connector, LegacyCheckpoint):
        return {}
    try:
        return dict(connector.upgrade_legacy(document))
    except SourceError:
        raise
    except Exception as error:
        raise defect(error) from error
