"""Secrets that are easily found again, and the forms in which a configuration may hold them."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import keyring
import keyring.backend
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from etl_core.secret_box import open_box

Form = Literal["env", "file", "keyring", "encrypted"]
FORMS: tuple[Form, ...] = ("env", "file", "keyring", "encrypted")
CORE = "Pl4ntedS3cr3t"
"""Of every planted secret: what is cut short, encoded for a URL or quoted still holds it."""

_numbers = itertools.count(1)


def new_secret() -> str:
    """One with characters that URLs, JSON, HTML and reprs write differently; a header can hold it."""
    return f"{CORE}-{next(_numbers)}/x+y=z&'\"\\%q<"


def new_private_key() -> str:
    """A PEM as GitHub gives it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


class Ring(keyring.backend.KeyringBackend):
    """A keyring of this process."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # has no types
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password


class Planter:
    """Keeps secrets where references lead, and knows what must not be found."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch
        self._before = keyring.get_keyring()
        keyring.set_keyring(Ring())
        self.hidden: set[str] = {CORE}
        """Texts that may stand nowhere."""

    def close(self) -> None:
        keyring.set_keyring(self._before)

    def plant(self, secret: str, form: Form) -> str:
        """What the configuration holds for it."""
        self.hide(secret)
        number = next(_numbers)
        match form:
            case "env":
                self._monkeypatch.setenv(f"PLANTED_{number}", secret)
                return f"env:PLANTED_{number}"
            case "file":
                path = self._folder / f"planted-{number}"
                path.write_text(secret)
                return f"file:{path}"
            case "keyring":
                keyring.set_password("planted", str(number), secret)
                return f"keyring:planted/{number}"
            case "encrypted":
                box = open_box()
                assert box is not None
                return box.seal(secret)

    def hide(self, secret: str) -> None:
        """Also a piece of it, and what was made of it: a pair in Base64, a signed token."""
        if CORE not in secret:
            self.hidden.update(line for line in secret.splitlines() if len(line) > 40)

    def finder(self) -> Callable[[str], list[str]]:
        """Finds pieces of text that hold a planted secret, as it is or in Base64 or hexadecimal."""
        needles = {*self.hidden, *(piece for hidden in self.hidden for piece in _encoded(hidden))}
        lowered = {needle.lower() for needle in needles}

        def found(text: str) -> list[str]:
            there = text.lower()
            places = [there.find(needle) for needle in lowered]
            return [text[max(0, at - 150) : at + 100] for at in places if at >= 0]

        return found


def _encoded(text: str) -> list[str]:
    """Its hexadecimal digits, and its Base64 wherever in a longer text it stands."""
    raw = text.encode()
    shifted = [base64.b64encode(b"\0" * shift + raw).decode()[(0, 2, 3)[shift] :] for shift in range(3)]
    # The last characters of each depend on what follows.
    return [raw.hex(), *(piece.rstrip("=")[:-2] for piece in shifted)]
