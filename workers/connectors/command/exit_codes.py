"""What an exit code means for the run."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from etl_core.errors import Permanent, SourceError, Transient, Unauthorised

_Code = Annotated[int, Field(ge=0, le=255)]


class ExitCodes(BaseModel):
    """Those of `sysexits.h` and of shells; every code that is not named is a failure that may pass."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    done: frozenset[_Code] = Field(default=frozenset({0}), description="it ended well")
    transient: frozenset[_Code] = Field(
        default=frozenset({75}), description="may pass: tried again after the retry interval"
    )
    permanent: frozenset[_Code] = Field(
        default=frozenset({64, 78, 126, 127}), description="somebody must change something first"
    )
    unauthorised: frozenset[_Code] = Field(
        default=frozenset({77}), description="a credential was refused: the job is held"
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        seen: set[int] = set()
        for codes in self._told():
            if twice := seen & codes:
                raise ValueError(f"exit code {min(twice)} has two meanings")
            seen |= codes
        return self

    def _told(self) -> list[frozenset[int]]:
        """A default gives way to what was set."""
        meanings = {name: getattr(self, name) for name in type(self).model_fields}
        return [codes for name, codes in meanings.items() if name in self.model_fields_set]

    def error(self, code: int, said: str) -> SourceError | None:
        """What the code stands for; None where it ended well. `said` names program and code."""
        for name in sorted(type(self).model_fields, key=lambda name: name not in self.model_fields_set):
            if code in getattr(self, name):
                break
        else:
            name = "transient"
        match name:
            case "done":
                return None
            case "permanent":
                return Permanent(said)
            case "unauthorised":
                return Unauthorised(said)
            case _:
                return Transient(said, retry_in_place=False)
