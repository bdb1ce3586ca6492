"""A program that people already have: a dlt or dbt script, a shell script, psql."""

from workers.connectors.command.connector import CommandConnector

__all__ = ["CommandConnector"]
