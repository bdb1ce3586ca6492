"""REST APIs by manifest; see `docs/rest-manifest.md`."""

from workers.connectors.rest.connector import RestConnector

__all__ = ["RestConnector"]
