"""What `doctor` finds."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict


class CheckStatus(StrEnum):
    OK = "ok"
    WARN = "warn"
    """Works, but not as somebody may expect."""
    FAIL = "fail"
    """Something will not work until it is mended."""


class Check(BaseModel):
    """One thing that was looked at; `remedy` says what to do and is None where nothing is to be done."""

    model_config = ConfigDict(frozen=True)

    check: str
    status: CheckStatus
    detail: str
    remedy: str | None = None

    @classmethod
    def ok(cls, check: str, detail: str) -> Self:
        return cls(check=check, status=CheckStatus.OK, detail=detail)

    @classmethod
    def warn(cls, check: str, detail: str, remedy: str) -> Self:
        return cls(check=check, status=CheckStatus.WARN, detail=detail, remedy=remedy)

    @classmethod
    def fail(cls, check: str, detail: str, remedy: str) -> Self:
        return cls(check=check, status=CheckStatus.FAIL, detail=detail, remedy=remedy)
