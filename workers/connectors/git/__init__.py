"""The history of a git repository, through the real git program."""

from workers.connectors.git.connector import GitConnector

__all__ = ["GitConnector"]
