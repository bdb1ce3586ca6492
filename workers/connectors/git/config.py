"""What a git integration can be told; nothing here touches the repository."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator


class GitConfig(BaseModel):
    """A repository on a disk of the workers, bare or with a work tree."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(description="absolute path of the repository")
    refs: tuple[str, ...] = Field(
        default=(),
        description="branches, tags or patterns such as refs/remotes/origin/*; default: all local branches",
    )

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: str) -> str:
        if not path.startswith("/"):
            raise ValueError("give an absolute path: workers do not share your working directory")
        if "\0" in path:
            raise ValueError("a path cannot hold a NUL character")
        return path

    @field_validator("refs")
    @classmethod
    def _names(cls, refs: tuple[str, ...]) -> tuple[str, ...]:
        for ref in refs:
            if (
                not ref
                or ref.startswith("-")
                or any(character.isspace() or character == "\0" for character in ref)
            ):
                raise ValueError(f"{ref!r} cannot be the name of a branch or tag")
        return refs
