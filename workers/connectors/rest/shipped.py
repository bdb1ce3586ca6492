"""The manifests that come with the program: `manifests/NAME.yaml`, in the wheel."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from workers.connectors.rest.manifest import Manifest, read_manifest

_FOLDER = files("workers.connectors.rest") / "manifests"
_SUFFIX = ".yaml"


@cache
def shipped_names() -> tuple[str, ...]:
    """Sorted."""
    return tuple(
        sorted(each.name.removesuffix(_SUFFIX) for each in _FOLDER.iterdir() if each.name.endswith(_SUFFIX))
    )


def is_shipped(name: str) -> bool:
    return name in shipped_names()


@cache
def shipped_manifest(name: str) -> Manifest:
    """Raises ManifestError: a defect of ours, which a test finds first."""
    return read_manifest(shipped_text(name), f"{name}{_SUFFIX}")


def shipped_text(name: str) -> str:
    """The file itself."""
    return (_FOLDER / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
