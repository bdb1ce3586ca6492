"""PostgreSQL as a source: tables and queries, whole, by a cursor or by xmin."""

from workers.connectors.postgres.connector import PostgresConnector

__all__ = ["PostgresConnector"]
