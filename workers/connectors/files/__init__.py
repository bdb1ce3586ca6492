"""Delimited text and JSON lines, plain or gzip: one file or all that a pattern matches."""

from workers.connectors.files.connector import FilesConnector

__all__ = ["FilesConnector"]
