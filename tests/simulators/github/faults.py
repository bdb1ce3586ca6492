"""What only GitHub does wrong, beside the faults of every HTTP service."""

from __future__ import annotations

from ..faults import COMMON, Fault

PRIMARY_LIMIT = Fault("primary limit", special=True)
"""Nothing is left of the hour: GraphQL says so with 200, REST with 403."""
SECONDARY_200 = Fault("secondary limit, 200", special=True)
SECONDARY_403 = Fault("secondary limit, 403", special=True)
SECONDARY_UNTIL = Fault("secondary limit, 403 with retry-after", special=True)
PARTIAL = Fault("data with errors", special=True)
"""One of the lists is null, and an error says so."""
TIMED_OUT = Fault("timed out within", special=True)
"""200 and an error: the query was given up."""
TOO_MUCH = Fault("resource limits", special=True)
EXPIRED_TOKEN = Fault("expired token", special=True)
EXPIRED_CURSOR = Fault("expired cursor", special=True)
"""Only met by a query that has one."""

SURVIVABLE: tuple[Fault, ...] = (
    *COMMON,
    SECONDARY_UNTIL,
    PARTIAL,
    TIMED_OUT,
    TOO_MUCH,
    EXPIRED_CURSOR,
)
"""What a run goes on behind within seconds."""
ALL: tuple[Fault, ...] = (*SURVIVABLE, SECONDARY_200, SECONDARY_403, PRIMARY_LIMIT, EXPIRED_TOKEN)
