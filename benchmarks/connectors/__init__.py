"""Connectors end to end: records a second from an API to a table, beside dlt's `rest_api` on the same API."""
