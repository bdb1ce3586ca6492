"""What a rest integration can be told: which manifest, and what the manifest asks for."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from workers.connectors.rest.manifest.model import Manifest
from workers.connectors.rest.shipped import is_shipped, shipped_manifest, shipped_names

Value = str | int | bool | tuple[str, ...]


class RestConfig(BaseModel):
    """A shipped manifest is checked against what is given here at once; a file is read where the job runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    manifest: str = Field(description="name of a shipped manifest, or absolute path of a file on the workers")
    variables: dict[str, Value] = Field(default={}, description="what the manifest declares as variables")
    secrets: dict[str, SecretStr] = Field(default={}, description="what it declares as secrets: references")
    streams: tuple[str, ...] = Field(default=(), description="only these streams; default: all")

    @field_validator("manifest")
    @classmethod
    def _known(cls, manifest: str) -> str:
        if "\0" in manifest:
            raise ValueError("a path cannot hold a NUL character")
        if not manifest.startswith("/") and not is_shipped(manifest):
            raise ValueError(
                f"there is no shipped manifest {manifest[:60]!r}; there are {', '.join(shipped_names())}. "
                "A file is named by its absolute path: workers do not share your working directory"
            )
        return manifest

    @model_validator(mode="after")
    def _fits_shipped(self) -> RestConfig:
        if is_shipped(self.manifest) and (problem := misfit(self, shipped_manifest(self.manifest))):
            raise ValueError(problem)
        return self


def misfit(config: RestConfig, manifest: Manifest) -> str | None:
    """What the configuration lacks of the manifest, or has too much, in one line."""
    problems = []
    for kind, given, declared in (
        ("variable", config.variables.keys(), manifest.variables.keys()),
        ("secret", config.secrets.keys(), manifest.secrets.keys()),
        ("stream", config.streams, manifest.streams.keys()),
    ):
        problems += [
            f"{kind} {name[:60]} is unknown; there are {', '.join(declared) or 'none'}"
            for name in given
            if name not in declared
        ]
    for name, variable in manifest.variables.items():
        value = config.variables.get(name)
        if value is None:
            if variable.default is None and not variable.optional:
                problems.append(f"variable {name} is missing: {variable.description}")
        elif isinstance(value, tuple) != variable.list:
            problems.append(f"variable {name} must be {'a list of texts' if variable.list else 'one value'}")
    problems += [
        f"secret {name} is missing: {secret.description}"
        for name, secret in manifest.secrets.items()
        if name not in config.secrets
    ]
    return "; ".join(problems) or None
