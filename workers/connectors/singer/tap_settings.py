"""A tap's config file: written for it alone, and read back, for a tap may renew a token in it.

What the tap has changed is kept beside its STATE, encrypted under ETL_SECRET_KEY; it holds until somebody
changes one of these settings in the integration.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from etl_core.errors import InvalidInput, Permanent
from etl_core.run_log import RunLog
from etl_core.secret_box import CannotOpen, open_box
from etl_core.secret_values import remember_secret
from workers.subprocesses.run_folder import write_private

_KEY_MISSING = (
    "the tap has changed its own settings ({}), which can be kept for its next run only with ETL_SECRET_KEY "
    "(docs/secrets.md)"
)


class TapSettings:
    """The settings of one integration, as they are now."""

    def __init__(self, given: Mapping[str, Any], kept: str | None) -> None:
        """`kept` is what an earlier run kept of the tap's own changes.

        Raises:
            Permanent: no key here opens it.
        """
        self._given = dict(given)
        self._changed: dict[str, Any] = {}
        self._told = False
        self.kept = kept
        """For the bookmark: what `read_back` found, or what was kept before."""
        if kept is not None:
            self._open(kept)

    def write(self, path: Path) -> None:
        """Writes the file for a tap that starts."""
        write_private(path, _bytes(self._current))

    def read_back(self, path: Path, log: RunLog) -> None:
        """Looks whether the tap has changed its file; one that cannot be read is as if it had not."""
        try:
            found = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return
        if not isinstance(found, dict) or found == self._current:
            return
        self._changed = {name: value for name, value in found.items() if value != self._given.get(name)}
        for text in _texts(self._changed):
            remember_secret(text)
        box = _box()
        if box is None:
            if not self._told:
                log.write(_KEY_MISSING.format(", ".join(sorted(self._changed))), "warning")
            self._told = True
            return
        self.kept = box.seal(json.dumps({"of": self._origin(self._changed), "settings": self._changed}))

    @property
    def _current(self) -> dict[str, Any]:
        return {**self._given, **self._changed}

    def _origin(self, names: Iterable[str]) -> str:
        """A digest of what these settings are in the integration."""
        given = {name: self._given.get(name) for name in names}
        return hashlib.blake2b(_bytes(given), digest_size=16).hexdigest()

    def _open(self, kept: str) -> None:
        box = _box()
        if box is None:
            raise Permanent("the tap's renewed settings are encrypted, and ETL_SECRET_KEY is not set here")
        try:
            opened = json.loads(box.open(kept))
        except (CannotOpen, ValueError):
            raise Permanent(
                "the tap's renewed settings are encrypted, and no key in ETL_SECRET_KEY opens them; clear "
                "`settings` in the checkpoint of singer to begin with those of the integration"
            ) from None
        if opened["of"] != self._origin(opened["settings"]):  # somebody has given new ones
            self.kept = None
            return
        if box.key_of(kept):  # under an older key, which is to be taken out some day
            self.kept = box.renew(kept)
        self._changed = opened["settings"]
        for text in _texts(self._changed):
            remember_secret(text)


def _box() -> Any:
    try:
        return open_box()
    except InvalidInput as error:
        raise Permanent(str(error)) from None


def _bytes(settings: Mapping[str, Any]) -> bytes:
    return json.dumps(settings, sort_keys=True).encode()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
