"""The look at the database with which a long-running process begins: is it there, and does its schema fit?"""

from __future__ import annotations

from etl_core.errors import EtlError, Unreachable
from etl_core.redact import redact_url
from etl_core.store.database import CONNECT_TIMEOUT, OUTAGES, connect
from etl_core.store.migrations import check_schema


async def look_first(url: str, *, application_name: str) -> None:
    """Returns when this program may run on the database at `url`.

    Before that nobody knows whether the URL is meant so: an outage ends the process in one line. Later ones
    are waited for.

    Raises:
        Unreachable: no database there, or it went away while we looked. Conflict: its schema is behind or
            ahead. InvalidInput: the URL cannot be right.
    """
    conn = await connect(url, application_name=application_name, command_timeout=CONNECT_TIMEOUT)
    try:
        await check_schema(conn)
    except EtlError:
        raise
    except OUTAGES as error:
        if not conn.is_closed() and not isinstance(error, TimeoutError):
            raise  # a defect of ours, or of the schema
        what = str(error) or f"no answer within {CONNECT_TIMEOUT:g} s"
        raise Unreachable(f"the database at {redact_url(url)} went away at the start: {what}") from error
    finally:
        conn.terminate()
