"""A secret in the keyring of the system, for `keyring:SERVICE/NAME`."""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late

PATIENCE = 10.0
"""Seconds: a keyring that is locked may ask a person who is not there."""


class NotThere(Exception):
    """Why the keyring gives nothing, in words; never a value."""


def read_keyring(target: str) -> str:
    """The password of `SERVICE/NAME`; the last slash divides them.

    Raises:
        NotThere: no package, no backend, no such entry, or nobody unlocks it.
    """
    service, _, name = target.rpartition("/")
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        raise NotThere("needs another package where it is read: pip install 'etl-tui[keyring]'") from None
    pool = ThreadPoolExecutor(1, "keyring")
    try:
        found: str | None = pool.submit(keyring.get_password, service, name).result(PATIENCE)
    except Late:
        raise NotThere(f"the keyring gave no answer within {PATIENCE:g} s; is it locked?") from None
    except Exception as error:
        raise NotThere(f"the keyring cannot be read ({type(error).__name__})") from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if found is None:
        raise NotThere("the keyring of this user holds no such entry")
    return found
