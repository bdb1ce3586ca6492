"""The connectors that come with the program, a folder for each integration type.

A folder is built like this, so that one who knows one of them finds the way in the others:

- `__init__.py` exports the connector class and nothing else; its entry point is in `pyproject.toml`.
- `config.py`: the pydantic model of the integration's configuration. It forbids unknown fields and does no
  I/O, for the command line checks configurations on machines that cannot reach the source.
- `checkpoint.py`: the pydantic models `Bookmark` and `Resume`. They check what people edit.
- Reading (bytes, pages, processes) and parsing (bytes to records, pure) are different files.
- `connector.py`: the class of the protocol `etl_core.connector.Connector`; it only puts the others together.

Every error is a `SourceError`: one sentence that names the thing and says what to do. Nothing blocks the
event loop: the worker's cancel and its heartbeat depend on it. `etl_core/testing/connector_contract.py` holds
what every connector must do; the tests of each give it a case (`etl_core/testing/case.py` shows how).
"""
