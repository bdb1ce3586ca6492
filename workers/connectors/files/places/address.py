"""In which place an address lies, and what of it the place's own paths are. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote, urlsplit


class Kind(StrEnum):
    """A kind of place; the values are the names of its options in the configuration."""

    LOCAL = "local"
    S3 = "s3"
    GCS = "gcs"
    AZURE = "azure"
    SFTP = "sftp"
    HTTP = "http"


_SCHEMES = {
    "s3": Kind.S3,
    "gs": Kind.GCS,
    "gcs": Kind.GCS,
    "az": Kind.AZURE,
    "abfs": Kind.AZURE,
    "abfss": Kind.AZURE,
    "sftp": Kind.SFTP,
    "http": Kind.HTTP,
    "https": Kind.HTTP,
}
BUCKETS = (Kind.S3, Kind.GCS, Kind.AZURE)


@dataclass(frozen=True, slots=True)
class Address:
    """`root` is what all files of a place share, `path` a path or pattern there."""

    kind: Kind
    root: str
    path: str
    query: str = ""
    """Of a web address, with its question mark."""


def parse_address(text: str) -> Address:
    """Raises ValueError with what is wrong with it."""
    if "\0" in text:
        raise ValueError("a path cannot hold a NUL character")
    if text.startswith("/"):
        return Address(Kind.LOCAL, "", text)
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise ValueError("give an absolute path: workers do not share your working directory")
    kind = _SCHEMES.get(scheme.lower())
    if kind is None:
        raise ValueError(f"{scheme}:// is not known; there are {', '.join(f'{s}://' for s in _SCHEMES)}")
    if kind in BUCKETS:
        return _in_bucket(kind, scheme, rest)
    parts = urlsplit(text)
    if parts.password is not None or (kind is Kind.HTTP and parts.username):
        raise ValueError(f"the address holds a login; give it in `{kind}`, by a reference")
    if not parts.hostname:
        raise ValueError(f"no host in it: {scheme}://host/path")
    root = f"{scheme.lower()}://{parts.netloc}"
    if kind is Kind.SFTP:
        return Address(kind, root, text[len(scheme) + 3 + len(parts.netloc) :] or "/")
    query = f"?{parts.query}" if parts.query else ""
    return Address(kind, root, unquote(parts.path) or "/", query)


def _in_bucket(kind: Kind, scheme: str, rest: str) -> Address:
    bucket, _, key = rest.partition("/")
    if not bucket or set(bucket) & set("*?["):
        raise ValueError(f"name the bucket in full: {scheme}://bucket/path")
    if not key:
        raise ValueError(f"give a file or a pattern in it: {scheme}://{bucket}/**/*.csv")
    return Address(kind, f"{scheme.lower()}://", f"{bucket}/{key.lstrip('/')}")
