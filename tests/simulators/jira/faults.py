"""What only Jira does wrong."""

from __future__ import annotations

from ..faults import COMMON, Fault

_TOO_MANY = b'{"errorMessages":["Rate limit exceeded."],"errors":{}}'


def too_many(seconds: int, reason: str = "jira-burst-based") -> Fault:
    """A 429 as the cloud sends it: for how long, and which of its limits it was."""
    headers = {"Retry-After": str(seconds), "RateLimit-Reason": reason, "Content-Type": "application/json"}
    return Fault(f"429 {reason}", 429, headers, _TOO_MANY)


TOO_MANY = too_many(1)
COST_BASED = too_many(1, "jira-cost-based")

REPEATED_TOKEN = Fault("the token that was given comes again", special=True)
EMPTY_PAGE = Fault("a page without issues, and a token", special=True)
FALSE_LAST = Fault("isLast says the contrary", special=True)
EXPIRED_PAGE_TOKEN = Fault("the page token has expired", special=True)
EXPIRED_LOGIN = Fault("the access token has expired", special=True)

SURVIVABLE: tuple[Fault, ...] = (*COMMON, TOO_MANY, COST_BASED, EMPTY_PAGE, FALSE_LAST, EXPIRED_PAGE_TOKEN)
"""What a run goes through."""
