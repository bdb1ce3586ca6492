"""Any Singer tap, as a subprocess (https://hub.meltano.com/singer/spec)."""

from workers.connectors.singer.connector import SingerConnector

__all__ = ["SingerConnector"]
