"""Tries a connector on a source: what it asks, what it yields, where that would leave its checkpoint.

It runs in the process that asks, and writes nothing anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, cast

from pydantic import ValidationError

from etl_core.connector import TRIAL_OPTION, Connector, ExtractContext, Fragment, Page, Stream
from etl_core.connectors_registry import find_connector
from etl_core.control.secret_fields import refuse_secrets_in_clear, secret_fields
from etl_core.errors import BadRecord, InvalidInput, NotFound, RateLimited, SourceError, Transient
from etl_core.models.connector_trial import ConnectorTrial, TriedPage
from etl_core.secret_references import resolve_secrets
from etl_core.secret_values import mask
from etl_core.source_calls import listening
from etl_core.validation_text import describe


async def try_connector(
    integration_type: str, config: Mapping[str, Any], *, stream: str | None, limit: int
) -> ConnectorTrial:
    """Reads up to `limit` rows of a stream (or of whatever comes first) as a first run would.

    Raises:
        InvalidInput: no such type, a secret in clear, a configuration that does not fit. NotFound: no such
            stream.
    """
    kind = find_connector(integration_type)
    refuse_secrets_in_clear(integration_type, config)
    trial = ConnectorTrial(type=integration_type)
    try:
        checked = kind.Config.model_validate(resolve_secrets(config, secret_fields(kind.Config)))
    except ValidationError as error:
        raise InvalidInput(mask(f"config of type {integration_type}: {describe(error)}")) from None
    with listening(trial.calls.append):
        try:
            await _read(trial, kind(checked), stream, limit)
        except SourceError as error:
            trial.error = mask(str(error))
            trial.may_pass = isinstance(error, Transient | RateLimited)
    return trial


async def _read(trial: ConnectorTrial, connector: Connector, stream: str | None, limit: int) -> None:
    asked = {"records": limit} if stream is None else {"records": limit, "stream": stream}
    context = ExtractContext(options={TRIAL_OPTION: asked})
    streams = {each.name: each for each in await connector.discover(context)}
    if stream is not None and stream not in streams:
        raise NotFound(f"there is no stream {stream!r}; there are {', '.join(streams)}")
    async with aclosing(cast("Any", connector.extract(context))) as pages:
        async for page in pages:
            wanted = (
                stream is None or stream in page.records or any(f.stream == stream for f in page.failures)
            )
            if wanted:
                trial.pages.append(_told_of(page))
                _keep_rows(trial, connector, streams, page, stream=stream, limit=limit)
            if sum(map(len, trial.rows.values())) + len(trial.refused) >= limit:
                trial.is_cut = True
                return


def _told_of(page: Page) -> TriedPage:
    return TriedPage(
        records={name: len(records) for name, records in page.records.items()},
        deleted={name: len(keys) for name, keys in page.deleted.items()},
        rejected=len(page.rejects),
        checkpoint=[mask(_told(fragment)) for fragment in page.checkpoint],
        failures=[mask(f"{f.stream}, {f.partition}: {f.error}") for f in page.failures],
    )


def _keep_rows(
    trial: ConnectorTrial,
    connector: Connector,
    streams: Mapping[str, Stream],
    page: Page,
    *,
    stream: str | None,
    limit: int,
) -> None:
    trial.refused += [mask(f"{reject.stream}: {reject.reason}") for reject in page.rejects]
    for name, records in page.records.items():
        if stream is not None and name != stream:
            continue
        for record in records:
            if sum(map(len, trial.rows.values())) >= limit:
                return
            trial.keys[name] = list(streams[name].key)
            try:
                row = dict(connector.transform(streams[name], record))
            except BadRecord as refused:
                trial.refused.append(mask(f"{name}: {refused}"))
                continue
            trial.rows.setdefault(name, []).append(row)


def _told(fragment: Fragment) -> str:
    where = f"{fragment.stream}, {fragment.partition}"
    if fragment.resume is None:
        return f"{where}: complete, bookmark {fragment.bookmark}"
    return f"{where}: goes on at {fragment.resume}"
