"""Tries an integration: what works, what its credential may read, what is missing.

It runs in the process that asks, not in a worker: another machine, another environment, another network. What
it cannot know for that reason it says.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Awaitable, Callable, Sequence

from pydantic import ValidationError

from etl_core.connector import Finding
from etl_core.connectors_registry import find_connector
from etl_core.control.integrations import list_integrations
from etl_core.control.secret_fields import secret_fields
from etl_core.errors import InvalidInput, NotFound, RateLimited, SourceError, Transient
from etl_core.models.tenant import IntegrationRow
from etl_core.models.trial import IntegrationTrial, Outcome
from etl_core.secret_references import Unresolved, references_of, resolve_secrets
from etl_core.secret_values import mask
from etl_core.store.database import Connection
from etl_core.validation_text import describe

_ANYWHERE = "ok here; workers read their own"


async def find_integration(conn: Connection, named: str, *, tenant: str | None = None) -> IntegrationRow:
    """The integration `TENANT/NAME`, or `NAME` of `tenant`, or the only one of that name.

    Raises:
        NotFound: there is none. InvalidInput: several tenants have one.
    """
    owner, slash, name = named.rpartition("/")
    if slash:
        tenant = owner
    found = [row for row in await list_integrations(conn, tenant=tenant) if row.name == name]
    if not found:
        whose = f"{tenant} has no" if tenant else "no tenant has an"
        raise NotFound(f"{whose} integration {name!r}; `etl-tui integrations list` shows all")
    if len(found) > 1:
        raise InvalidInput(f"several: {', '.join(f'{row.tenant}/{row.name}' for row in found)}; name one")
    return found[0]


async def try_integration(row: IntegrationRow, *, timeout_s: float) -> IntegrationTrial:
    """Asks the connector of an integration what works; ends after `timeout_s` seconds.

    Raises:
        InvalidInput: its type is not installed here, or its configuration does not fit its connector.
    """
    references = references_of(row.config, secret_fields(find_connector(row.type).Config))
    outcome, findings = await _try(row, timeout_s)
    return IntegrationTrial(
        tenant=row.tenant,
        integration=row.name,
        type=row.type,
        host=platform.node(),
        secrets=[reference.shown for reference in references],
        outcome=outcome,
        findings=[
            Finding(mask(finding.what), finding.state, mask(finding.detail), mask(finding.remedy))
            for finding in findings
        ],
    )


async def _try(row: IntegrationRow, timeout_s: float) -> tuple[Outcome, Sequence[Finding]]:
    kind = find_connector(row.type)
    fields = secret_fields(kind.Config)
    found = []
    for reference in references_of(row.config, fields):
        try:
            resolve_secrets({"secret": reference.text})
        except Unresolved:
            where = f"leads nowhere on {platform.node()}; workers may have it"
            remedy = "set it here, too, or run this where a worker runs and in its environment"
            found.append(Finding(f"secret {reference.shown}", "unknown", where, remedy))
        else:
            found.append(Finding(f"secret {reference.shown}", "ok", _ANYWHERE))
    if any(finding.state != "ok" for finding in found):
        return Outcome.FAILED, [*found, Finding(row.type, "unknown", "not tried without its secrets")]
    try:
        config = kind.Config.model_validate(resolve_secrets(row.config, fields))
    except ValidationError as error:
        raise InvalidInput(mask(f"config of {row.tenant}/{row.name}: {describe(error)}")) from None

    async def check() -> Sequence[Finding] | None:
        return await kind(config).check()

    outcome, told = await _ask(row.type, check, timeout_s)
    return outcome, [*found, *told]


async def _ask(
    name: str, check: Callable[[], Awaitable[Sequence[Finding] | None]], timeout_s: float
) -> tuple[Outcome, Sequence[Finding]]:
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            found = await check() or [Finding(name, "ok", "its connector tells no more")]
    except (Transient, RateLimited) as error:
        return Outcome.UNREACHABLE, [Finding(name, "failed", str(error))]
    except SourceError as error:
        return Outcome.FAILED, [Finding(name, "failed", str(error))]
    except Exception as error:
        if limit.expired():
            told = f"no answer within {timeout_s:g} s"
            remedy = "see whether this machine reaches it; --timeout waits longer"
            return Outcome.UNREACHABLE, [Finding(name, "failed", told, remedy)]
        return Outcome.FAILED, [
            Finding(name, "failed", f"its connector broke: {type(error).__name__}: {error}")
        ]
    bad = any(finding.state in ("failed", "missing") for finding in found)
    return Outcome.FAILED if bad else Outcome.OK, found
