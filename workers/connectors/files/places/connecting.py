"""The place that a configuration means; a library is imported when its place is first looked into."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from etl_core.errors import Permanent, Unauthorised
from workers.connectors.files.places import as_stored
from workers.connectors.files.places.address import Address, Kind
from workers.connectors.files.places.files import ExtraMissing, Place, Selection
from workers.connectors.files.places.local import LocalPlace
from workers.connectors.files.places.options import (
    AzureOptions,
    GcsOptions,
    HttpOptions,
    Options,
    S3Options,
    SftpOptions,
)
from workers.connectors.files.places.remote import FileSystem, RemotePlace

_CONNECT_S, _READ_S = 10, 60
# The class that gcsfs names first asks by gRPC what kind a bucket is, for a minute where nobody answers.
_AS_STORED = {Kind.GCS: as_stored.google, Kind.AZURE: as_stored.azure}
_LIBRARIES = {Kind.S3: "s3fs", Kind.GCS: "gcsfs.core", Kind.AZURE: "adlfs", Kind.SFTP: "sshfs"}


def place_of(address: Address, selection: Selection, options: Options | None) -> Place:
    """Nothing is opened yet; `address` is the first of them, for its root."""
    if address.kind is Kind.LOCAL:
        return LocalPlace(selection)
    if address.kind is Kind.HTTP:
        from workers.connectors.files.places.web import WebPlace

        assert options is None or isinstance(options, HttpOptions)  # noqa: S101
        return WebPlace(address, selection, options or HttpOptions())

    def connect() -> FileSystem:
        return _CONNECT[address.kind](options, address)

    return RemotePlace(address.root, selection, connect)


def missing_extra(kind: Kind) -> ExtraMissing | None:
    """Whether the kind's library is there."""
    try:
        if library := _LIBRARIES.get(kind):
            import_module(library)
    except ImportError:
        return ExtraMissing(f"reading from {kind}", f"files-{kind}")
    return None


def _file_system(kind: Kind, name: str, **arguments: Any) -> FileSystem:
    if missing := missing_extra(kind):
        raise missing
    given = {key: value for key, value in arguments.items() if value is not None}
    made = getattr(import_module(_LIBRARIES[kind]), name)
    if kind in _AS_STORED:
        made = _AS_STORED[kind](made)
    if kind is not Kind.SFTP:  # it keeps no listings, and asyncssh takes every further argument for its own
        given["use_listings_cache"] = False
    return made(skip_instance_cache=True, **given)


def _s3(options: Any, address: Address) -> FileSystem:
    given: S3Options = options or S3Options()
    return _file_system(
        Kind.S3,
        "S3FileSystem",
        anon=given.anonymous,
        key=_secret(given.access_key_id),
        secret=_secret(given.secret_access_key),
        token=_secret(given.session_token),
        endpoint_url=given.endpoint_url,
        client_kwargs={"region_name": given.region} if given.region else None,
        # s3fs tries again itself: more of it under that would only multiply.
        config_kwargs={
            "connect_timeout": _CONNECT_S,
            "read_timeout": _READ_S,
            "retries": {"total_max_attempts": 2},
        },
    )


def _gcs(options: Any, address: Address) -> FileSystem:
    given: GcsOptions = options or GcsOptions()
    token: Any = "anon" if given.anonymous else None
    if given.service_account is not None:
        try:
            token = json.loads(given.service_account.get_secret_value())
        except ValueError:
            raise Unauthorised("gcs.service_account is not the JSON of a service account's key") from None
    return _file_system(
        Kind.GCS,
        "GCSFileSystem",
        token=token,
        project=given.project,
        endpoint_url=given.endpoint_url,
        requests_timeout=_READ_S,
        session_kwargs={"auto_decompress": False, "trust_env": True},  # for proxies
    )


def _azure(options: Any, address: Address) -> FileSystem:
    given: AzureOptions = options or AzureOptions()
    whole = _secret(given.connection_string) or _connection_string(given)
    if given.account_name is None and whole is None:
        raise Permanent("azure: give account_name or connection_string")
    return _file_system(
        Kind.AZURE,
        "AzureBlobFileSystem",
        account_name=given.account_name,
        connection_string=whole,
        account_host=None if given.endpoint_url is None else urlsplit(given.endpoint_url).netloc,
        connection_timeout=_CONNECT_S,
        read_timeout=_READ_S,
    )


def _connection_string(given: AzureOptions) -> str | None:
    """Of what the configuration says of the login; None: the machine's own identity.

    adlfs would rather believe an AZURE_STORAGE_CONNECTION_STRING of the worker's environment than a key.
    """
    parts = {
        "AccountName": given.account_name,
        "AccountKey": _secret(given.account_key),
        "BlobEndpoint": given.endpoint_url,
    }
    if parts["AccountKey"] is None and given.sas_token is not None:
        parts["SharedAccessSignature"] = given.sas_token.get_secret_value().removeprefix("?")
    elif parts["AccountKey"] is None and not given.anonymous:
        return None
    return ";".join(f"{name}={value}" for name, value in parts.items() if value is not None)


def _sftp(options: Any, address: Address) -> FileSystem:
    given: SftpOptions = options or SftpOptions()
    if missing := missing_extra(Kind.SFTP):
        raise missing
    parts = urlsplit(address.root)
    keys = None
    if given.private_key is not None:
        asyncssh = import_module("asyncssh")
        try:
            keys = [
                asyncssh.import_private_key(given.private_key.get_secret_value(), _secret(given.passphrase))
            ]
        except asyncssh.KeyImportError as error:
            raise Unauthorised(f"sftp.private_key cannot be read ({error})") from None
    return _file_system(
        Kind.SFTP,
        "SSHFileSystem",
        host=parts.hostname,
        port=parts.port or 22,
        username=given.username or parts.username,
        password=_secret(given.password),
        client_keys=keys,
        known_hosts=given.known_hosts,
        connect_timeout=_CONNECT_S,
        keepalive_interval=15,
    )


_CONNECT: dict[Kind, Callable[[Any, Address], FileSystem]] = {
    Kind.S3: _s3,
    Kind.GCS: _gcs,
    Kind.AZURE: _azure,
    Kind.SFTP: _sftp,
}


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()
