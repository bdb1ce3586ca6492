"""A configuration holds secrets as references only. Pure functions: nothing is resolved or read here.

A reference is `env:NAME`, `file:/path`, `keyring:SERVICE/NAME`, or the secret itself as only our keys open
it, `encrypted:TOKEN`. What must be one: a field that the connector types as secret, a
field whose name says so, a URL that carries a password, and text in the shape of a well-known token. No
message of this module ever repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal, NamedTuple

_REFERENCE = re.compile(
    r"env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\x00-\x1f]*[^\x00-\x1f/]"
    r"|keyring:[^\x00-\x1f]*[^\x00-\x1f/]/[^\x00-\x1f/]+"
    # A Fernet token: its version and the zero bytes of a time before 2106, and 73 bytes or more in all.
    r"|encrypted:gAAAA[A-Za-z0-9_-]{93,}={0,2}"
)

_SECRET_WORDS = frozenset(
    [
        "token", "password", "passwd", "pwd", "passphrase", "passcode", "secret", "credential", "apikey",
        "authorization", "cookie", "bearer", "pat",
    ]
)  # fmt: skip
_SECRET_PAIRS = frozenset(
    [
        ("api", "key"), ("private", "key"), ("access", "key"), ("account", "key"), ("shared", "key"),
        ("signing", "key"), ("encryption", "key"), ("master", "key"), ("connection", "string"),
    ]
)  # fmt: skip
_PUBLIC_ENDINGS = frozenset(
    [
        "id", "ids", "url", "uri", "endpoint", "file", "path", "type", "name", "user", "username", "email",
        "host", "port", "region", "header", "field", "prefix", "limit", "count", "seconds", "minutes",
        "hours", "days", "ttl", "expiry", "expires", "scope", "scopes", "algorithm",
    ]
)  # fmt: skip
"""`token_url`, `access_key_id`, `password_file`: about a secret, not the secret."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
# A password may hold any character, but digits up to a slash are a port.
_URL_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^/\s@:]*:(?!\d+(?:[/?#]|$))\S+@")
_URL_LOGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^/\s@:]*:[^\s]+@")
_ASSIGNMENT = re.compile(r"(?:^|[?&;\s])([A-Za-z_][\w.\-]*)\s*=\s*([^&;\s]+)")
_TOKEN_SHAPE = re.compile(
    r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_\-]{16,}"
    r"|\bxox[abeprs]-[A-Za-z0-9\-]{10,}|\bAKIA[0-9A-Z]{16}\b|\bsk_live_[A-Za-z0-9]{10,}|\bATATT3[A-Za-z0-9_\-]{20,}"
    r"|\bBearer\s+[A-Za-z0-9._\-]{16,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)


ReferenceKind = Literal["env", "file", "keyring", "encrypted"]
_KINDS: Mapping[str, ReferenceKind] = {
    "env": "env", "file": "file", "keyring": "keyring", "encrypted": "encrypted"
}  # fmt: skip


class Reference(NamedTuple):
    """Where a secret is kept: a variable's name, a file's absolute path, SERVICE/NAME, or its cipher."""

    kind: ReferenceKind
    target: str

    @property
    def text(self) -> str:
        """As a configuration holds it."""
        return f"{self.kind}:{self.target}"

    @property
    def shown(self) -> str:
        """As people are told of it: what is encrypted tells them nothing."""
        return "encrypted" if self.kind == "encrypted" else self.text


class InClear(NamedTuple):
    """A place that holds a secret itself: its dotted path, and how we know. Never the value."""

    path: str
    because: str


def parse_reference(text: str) -> Reference | None:
    """`env:NAME`, `file:/path`, `keyring:SERVICE/NAME` or `encrypted:TOKEN`, else None."""
    if not _REFERENCE.fullmatch(text):
        return None
    kind, target = text.split(":", 1)
    return Reference(_KINDS[kind], target)


@lru_cache(maxsize=4096)  # asked of each field of a config at the start of every run
def names_a_secret(field: str) -> bool:
    """Whether a field so named holds a secret: `api_key`, `githubToken`, `client-secret`; not `token_url`."""
    words = [word.lower() for word in _WORD.findall(field)]
    if not words or words[-1] in _PUBLIC_ENDINGS:
        return False
    if any(word.removesuffix("s") in _SECRET_WORDS or word in _SECRET_WORDS for word in words):
        return True
    return any((first, second.removesuffix("s")) in _SECRET_PAIRS for first, second in pairwise(words))


def secrets_in_clear(config: Mapping[str, Any], secret_fields: Collection[str] = ()) -> list[InClear]:
    """Every place of `config` that holds a secret itself, in order.

    `secret_fields` are dotted paths that the connector's model types as secret; list positions are left out
    of them (`accounts.token` covers every element of `accounts`).
    """
    return list(_walk(config, (), (), secret_fields, tainted=False))


def is_secret_place(
    name: str, path: tuple[str, ...], secret_fields: Collection[str], *, inside: bool
) -> bool:
    """Whether the field `name`, at `path` without list positions, holds a secret.

    `inside` another that does, what is public by its name is left out.
    """
    if ".".join(path) in secret_fields or names_a_secret(name):
        return True
    return inside and not is_public_name(name)


def is_public_name(field: str) -> bool:
    """Whether a field so named is only about something: `path`, `token_url`."""
    return (_WORD.findall(field) or [""])[-1].lower() in _PUBLIC_ENDINGS


def seal_secrets(
    config: Mapping[str, Any], secret_fields: Collection[str], seal: Callable[[str], str]
) -> dict[str, Any]:
    """The config with each text that stands in a secret field, and is no reference, replaced by its seal."""

    def mapped(value: Any, path: tuple[str, ...], tainted: bool) -> Any:
        if isinstance(value, Mapping):
            return {
                name: mapped(
                    inner,
                    (*path, str(name)),
                    is_secret_place(str(name), (*path, str(name)), secret_fields, inside=tainted),
                )
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [mapped(item, path, tainted) for item in value]
        if tainted and isinstance(value, str) and value and not parse_reference(value):
            return seal(value)
        return value

    return {
        name: mapped(inner, (name,), is_secret_place(name, (name,), secret_fields, inside=False))
        for name, inner in config.items()
    }


def passwords_in(url: str) -> list[str]:
    """The passwords of the URLs in a text, as they are written."""
    logins = [found.rpartition("@")[0].partition("://")[2] for found in _URL_LOGIN.findall(url)]
    return [login.partition(":")[2] for login in logins]


def _walk(
    value: Any,
    shown: tuple[str, ...],
    path: tuple[str, ...],
    secret_fields: Collection[str],
    *,
    tainted: bool,
) -> Iterator[InClear]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            name = str(key)
            below = (*path, name)
            inner_tainted = is_secret_place(name, below, secret_fields, inside=tainted)
            yield from _walk(inner, (*shown, name), below, secret_fields, tainted=inner_tainted)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, inner in enumerate(value):
            yield from _walk(inner, (*shown, str(index)), path, secret_fields, tainted=tainted)
    else:
        because = _why_in_clear(value, tainted=tainted)
        if because:
            yield InClear(".".join(shown), because)


def _why_in_clear(value: Any, *, tainted: bool) -> str | None:
    if value is None or isinstance(value, bool) or value == "":
        return None
    if isinstance(value, str) and parse_reference(value):
        return None
    if tainted:
        return "a secret field"
    return _why_text_in_clear(value) if isinstance(value, str) else None


def _why_text_in_clear(text: str) -> str | None:
    """What gives a secret away whatever its field is called."""
    if _URL_PASSWORD.search(text):
        return "a URL with a password"
    if _TOKEN_SHAPE.search(text):
        return "a value that looks like a token or key"
    for name, assigned in _ASSIGNMENT.findall(text):
        if names_a_secret(name) and not parse_reference(assigned):
            return f"text that sets {name}"
    return None
