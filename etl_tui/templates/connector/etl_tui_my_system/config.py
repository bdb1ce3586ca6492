"""What an integration of type `my-system` can be told. Nothing here asks the system."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator


class MySystemConfig(BaseModel):
    """A field that holds a secret is typed `SecretStr`: etl-tui then takes a reference for it only
    (`env:NAME`, `file:/path`), and gives you what it refers to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(description="absolute path of the SQLite file; workers must see it")
    page_size: int = Field(default=1_000, ge=1, le=10_000, description="items of a page at most")

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: str) -> str:
        if not path.startswith("/"):
            raise ValueError("give an absolute path: workers do not share your working directory")
        return path
