"""What the libraries behind fsspec raise, in one sentence for people.

They are told apart by the names of their classes and by their codes, for none of them is always installed.
"""

from __future__ import annotations

from etl_core.errors import Permanent, SourceError, Transient, Unauthorised
from etl_core.secret_values import mask
from workers.connectors.files.places.files import Changed

_NO_LOGIN = {
    "NoCredentialsError",
    "PartialCredentialsError",
    "TokenRetrievalError",
    "DefaultCredentialsError",
    "RefreshError",
    "CredentialUnavailableError",
    "ClientAuthenticationError",
    "CredentialRefused",
    "PermissionDenied",
    "KeyImportError",
}
_REFUSED = (
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "AuthenticationFailed",
    "Invalid Credentials",
    "Anonymous caller",
    "Server failed to authenticate",
    "Permission denied for user",  # asyncssh, as sshfs hands it on
)
_FORBIDDEN = (
    "Forbidden: ",  # gcsfs
    "AuthorizationPermissionMismatch",  # Azure, and the next two
    "AuthorizationFailure",
    "InsufficientAccountPermissions",
)
_UNKNOWN_HOST_KEY = {"HostKeyNotVerifiable"}
_CHANGED = {"FileExpired"}
_MISCONFIGURED = {"ParamValidationError", "InvalidURL", "NoRegionError", "InvalidRegionError"}
_MOST = 200


def translate(error: Exception, shown: str) -> SourceError | Changed:
    """A SourceError for it; Changed where the library noticed that the file is another one."""
    names = {kind.__name__ for kind in type(error).__mro__}
    text = mask(" ".join(str(error).split()))
    said = text.partition(" RequestId:")[0][:_MOST] or type(error).__name__
    if names & _CHANGED:
        return Changed()
    if names & _NO_LOGIN or any(code in text for code in _REFUSED):
        return Unauthorised(f"{shown}: the credential is missing or refused ({said}); renew it")
    if names & _UNKNOWN_HOST_KEY:
        return Permanent(
            f"{shown}: the server's host key is not known; put it into `known_hosts` (ssh-keyscan shows it)"
        )
    if isinstance(error, PermissionError) or any(code in text for code in _FORBIDDEN):
        return Permanent(f"{shown} may not be read with this credential ({said}); give it the permission")
    if names & _MISCONFIGURED or isinstance(error, TypeError | ValueError):
        return Permanent(f"{shown}: the place's options cannot be right ({said})")
    return Transient(f"{shown} could not be read: {said}")
