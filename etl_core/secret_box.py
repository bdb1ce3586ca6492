"""Secrets encrypted at rest: `encrypted:<token>`, opened by the keys in ETL_SECRET_KEY.

The keys are Fernet's, separated by commas. The first encrypts; all decrypt, so that a key can be replaced:
put the new one first everywhere, `etl-tui secrets rotate`, take the old one out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl_core.errors import InvalidInput
from etl_core.secret_values import remember_secret

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

PREFIX = "encrypted:"


class CannotOpen(Exception):
    """No key opens it, or it was changed."""


class SecretBox:
    """Encrypts under the first key, decrypts under any."""

    def __init__(self, keys: str) -> None:
        """Raises InvalidInput, naming the place of a key that is none."""
        from cryptography.fernet import Fernet

        remember_secret(keys)
        self._keys: list[Fernet] = []
        for place, key in enumerate((key.strip() for key in keys.split(",")), 1):
            remember_secret(key)
            try:
                self._keys.append(Fernet(key))
            except ValueError:
                raise InvalidInput(
                    f"ETL_SECRET_KEY: number {place} is no key; `etl-tui secrets key` makes one"
                ) from None

    def seal(self, secret: str) -> str:
        """`encrypted:...`, which only our keys open."""
        return PREFIX + self._keys[0].encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises CannotOpen."""
        token = sealed.removeprefix(PREFIX).encode()
        return self._keys[self.key_of(sealed)].decrypt(token).decode()

    def key_of(self, sealed: str) -> int:
        """Which key opens it, 0 for the first; raises CannotOpen."""
        from cryptography.fernet import InvalidToken

        token = sealed.removeprefix(PREFIX).encode()
        for place, key in enumerate(self._keys):
            try:
                key.decrypt(token)
            except InvalidToken:
                continue
            return place
        raise CannotOpen

    def renew(self, sealed: str) -> str:
        """The same secret under the first key; raises CannotOpen."""
        return self.seal(self.open(sealed))

    def __repr__(self) -> str:
        return f"SecretBox({len(self._keys)} keys)"


def open_box() -> SecretBox | None:
    """The box of this process; None without ETL_SECRET_KEY.

    Raises:
        InvalidInput: what it holds is no key.
    """
    from etl_core.settings import load_settings

    keys = load_settings().secret_key
    return SecretBox(keys.get_secret_value()) if keys is not None and keys.get_secret_value() else None


def new_key() -> str:
    """A key that nobody has."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()
