"""What an integration can be told of its place: endpoints, and credentials by reference (docs/secrets.md)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Options(BaseModel):
    """Of one kind of place."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class S3Options(Options):
    """Without a key boto's own search is used: AWS_ACCESS_KEY_ID, a profile, the machine's role."""

    endpoint_url: str | None = Field(default=None, description="of MinIO, Ceph, R2, ...; default: AWS")
    region: str | None = Field(default=None)
    access_key_id: SecretStr | None = Field(default=None)
    secret_access_key: SecretStr | None = Field(default=None)
    session_token: SecretStr | None = Field(default=None)
    anonymous: bool = Field(default=False, description="for public buckets: no credential is looked for")


class GcsOptions(Options):
    """Without a service account Google's default credentials of the machine are used."""

    endpoint_url: str | None = Field(
        default=None, description="default: STORAGE_EMULATOR_HOST of the workers, else Google's"
    )
    project: str | None = Field(default=None)
    service_account: SecretStr | None = Field(
        default=None, description="the JSON of a service account's key, usually file:/path"
    )
    anonymous: bool = Field(default=False)


class AzureOptions(Options):
    """Without a key, a signature or a connection string the machine's own identity is used."""

    account_name: str | None = Field(default=None)
    endpoint_url: str | None = Field(
        default=None,
        pattern="^https?://",
        description="of another cloud, a private endpoint or Azurite; default: by the account's name",
    )
    account_key: SecretStr | None = Field(default=None)
    sas_token: SecretStr | None = Field(default=None)
    connection_string: SecretStr | None = Field(default=None)
    anonymous: bool = Field(default=False)


class SftpOptions(Options):
    """The host and its port are in the path: sftp://host:2222/folder/*.csv"""

    username: str | None = Field(default=None)
    password: SecretStr | None = Field(default=None)
    private_key: SecretStr | None = Field(default=None, description="the key itself, usually file:/path")
    passphrase: SecretStr | None = Field(default=None, description="of the private key")
    known_hosts: str | None = Field(
        default=None, description="absolute path on the workers; default: ~/.ssh/known_hosts"
    )


class HttpOptions(Options):
    """A login or a token, and further headers."""

    username: str | None = Field(default=None)
    password: SecretStr | None = Field(default=None)
    token: SecretStr | None = Field(default=None, description="sent as Authorization: Bearer")
    headers: dict[str, SecretStr] = Field(default={}, description="values by reference")
