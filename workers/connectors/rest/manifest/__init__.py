"""The manifest: its model, how it is read, and what must agree in it."""

from workers.connectors.rest.manifest.model import Manifest
from workers.connectors.rest.manifest.reading import ManifestError, read_manifest

__all__ = ["Manifest", "ManifestError", "read_manifest"]
