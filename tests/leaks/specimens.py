"""Configurations of every connector that takes secrets, together with a secret in every field for one.

A connector with secrets that has none here fails `test_every_secret_field_is_planted`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

from tests.leaks.hostile import WAYS
from tests.leaks.leaky import HOWS
from tests.leaks.planting import FORMS, Form, new_private_key, new_secret
from workers.connectors.rest.manifest import auth
from workers.connectors.rest.shipped import shipped_manifest, shipped_names

SOME_WAYS = ("denied", "away", "leaky_page")
"""Enough for another credential of a client that was taken through all of them."""
Plant = Callable[[str], str]
"""From a secret to what the configuration holds for it."""


@dataclass(frozen=True)
class Specimen:
    """A kind of configuration: `make(address, plant)`, for a server at `address`."""

    type: str
    name: str
    make: Callable[[str, Plant], dict[str, Any]]
    ways: tuple[str, ...] = WAYS
    """How it is made to fail: folders of the hostile server, or its own."""
    forms: tuple[Form, ...] = FORMS
    """In which its secrets may be given."""


def specimens(folder: Path) -> Iterator[Specimen]:
    """All. `folder` is for files that they name."""
    yield from _github()
    yield from _jira(folder)
    yield from _rest_auths(folder)
    yield from _rest_shipped()
    yield from _files()
    yield from _postgres()
    yield from _command(folder)
    yield from _singer(folder)
    yield from _leaky()


def _github() -> Iterator[Specimen]:
    read = {"owners": ["octo"], "repositories": ["octo/app"]}
    yield Specimen("github", "token", lambda at, plant: {**read, "api_url": at, "token": plant(new_secret())})
    pem = new_private_key()

    def app(at: str, plant: Plant) -> dict[str, Any]:
        keys = {"app_id": 1, "installation_id": 2, "private_key": plant(pem)}
        return {**read, "api_url": at, "app": keys}

    yield Specimen("github", "app", app, ("denied",))


def _jira(folder: Path) -> Iterator[Specimen]:
    def api_token(at: str, plant: Plant) -> dict[str, Any]:
        return {
            "site": at,
            "auth": {"type": "api_token", "email": "a@b.example", "api_token": plant(new_secret())},
        }

    def oauth(at: str, plant: Plant) -> dict[str, Any]:
        kept = folder / "refresh"
        kept.write_text(new_secret())
        login = {"client_id": "app", "client_secret": plant(new_secret()), "refresh_token_file": str(kept)}
        places = {"token_url": f"{at}/token", "gateway_url": at}
        return {"cloud_id": "1234abcd-12", "auth": {"type": "oauth2", **login, **places}}

    def personal(at: str, plant: Plant) -> dict[str, Any]:
        return {"site": at, "auth": {"type": "personal_token", "token": plant(new_secret())}}

    yield Specimen("jira", "api token", api_token)
    yield Specimen("jira", "oauth", oauth, SOME_WAYS)
    yield Specimen("jira", "personal", personal, SOME_WAYS)


MANIFEST = """
version: 1
title: Hostile
variables: {{url: {{description: the server}}}}
secrets: {{a: {{description: one}}, b: {{description: another}}}}
base_url: "{{{{ variables.url }}}}"
auth: {auth}
pagination: {{type: next_url, url: next}}
streams:
  things: {{path: /things, records: items, key: [id], columns: {{id: bigint}}}}
"""
_OAUTH = 'token_url: "{{ variables.url }}/token", client_id: app, client_secret: "{{ secrets.a }}"'
AUTHS = {
    auth.Bearer: 'type: bearer, token: "{{ secrets.a }}"',
    auth.Basic: 'type: basic, username: "{{ secrets.b }}", password: "{{ secrets.a }}"',
    auth.Header: 'type: header, name: X-Api-Key, value: "key={{ secrets.a }}"',
    auth.QueryKey: 'type: query, name: k, value: "{{ secrets.a }}"',
    auth.ClientCredentials: f"type: oauth2_client_credentials, {_OAUTH}",
    auth.RefreshToken: f'type: oauth2_refresh, {_OAUTH}, refresh_token: "{{{{ secrets.b }}}}"',
}


def _rest_auths(folder: Path) -> Iterator[Specimen]:
    for kind in get_args(get_args(auth.Auth)[0]):
        path = folder / f"{kind.__name__}.yaml"
        path.write_text(MANIFEST.format(auth=f"{{{AUTHS[kind]}}}"))

        def make(at: str, plant: Plant, path: Path = path) -> dict[str, Any]:
            secrets = {"a": plant(new_secret()), "b": plant(new_secret())}
            return {"manifest": str(path), "variables": {"url": at}, "secrets": secrets}

        ways = WAYS if kind is auth.QueryKey else SOME_WAYS
        yield Specimen("rest", kind.__name__.lower(), make, ways)


def _rest_shipped() -> Iterator[Specimen]:
    for name in shipped_names():
        manifest = shipped_manifest(name)

        def make(at: str, plant: Plant, name: str = name, manifest: Any = manifest) -> dict[str, Any]:
            given = {
                each: at if each.endswith("url") else ["x"] if variable.list else "2026-01-01"
                for each, variable in manifest.variables.items()
                if each.endswith("url") or (variable.default is None and not variable.optional)
            }
            secrets = {each: plant(new_secret()) for each in manifest.secrets}
            return {"manifest": name, "variables": given, "secrets": secrets}

        yield Specimen("rest", name, make, ways=("denied",))


def _files() -> Iterator[Specimen]:
    read = {"format": "csv", "stream": "rows"}

    def http(at: str, plant: Plant) -> dict[str, Any]:
        headers = {"X-Api-Key": plant(new_secret())}
        return {**read, "path": f"{at}/a.csv", "http": {"token": plant(new_secret()), "headers": headers}}

    def login(at: str, plant: Plant) -> dict[str, Any]:
        return {**read, "path": f"{at}/a.csv", "http": {"username": "a", "password": plant(new_secret())}}

    def s3(at: str, plant: Plant) -> dict[str, Any]:
        names = ("access_key_id", "secret_access_key", "session_token")
        keys = {"endpoint_url": at, "region": "x", **{name: plant(new_secret()) for name in names}}
        return {**read, "path": "s3://bucket/a.csv", "s3": keys}

    def gcs(at: str, plant: Plant) -> dict[str, Any]:
        account = {"endpoint_url": at, "service_account": plant(new_secret())}
        return {**read, "path": "gs://bucket/a.csv", "gcs": account}

    def azure(at: str, plant: Plant) -> dict[str, Any]:
        names = ("account_key", "sas_token", "connection_string")
        keys = {"account_name": "acme", **{name: plant(new_secret()) for name in names}}
        return {**read, "path": "az://container/a.csv", "azure": keys}

    def sftp(at: str, plant: Plant) -> dict[str, Any]:
        names = ("password", "private_key", "passphrase")
        keys = {"username": "a", **{name: plant(new_secret()) for name in names}}
        return {**read, "path": "sftp://127.0.0.1:9/a.csv", "sftp": keys}

    yield Specimen("files", "http", http, SOME_WAYS)
    yield Specimen("files", "login", login, SOME_WAYS)
    for make in (s3, gcs, azure, sftp):
        yield Specimen("files", make.__name__, make, ("denied",))


def _postgres() -> Iterator[Specimen]:
    read = {"queries": [{"query": "SELECT 1 AS id", "stream": "q", "key": ["id"]}]}

    def apart(at: str, plant: Plant) -> dict[str, Any]:
        url = f"postgresql://a@127.0.0.1:{at.rpartition(':')[2].partition('/')[0]}/b?sslmode=disable"
        return {**read, "url": url, "password": plant(new_secret())}

    def within(at: str, plant: Plant) -> dict[str, Any]:
        place = f"127.0.0.1:{at.rpartition(':')[2].partition('/')[0]}"
        password = quote(new_secret(), safe="")
        return {**read, "url": plant(f"postgresql://a:{password}@{place}/b?sslmode=disable")}

    ways = ("refused", "denied")  # what answers there speaks HTTP
    yield Specimen("postgres", "apart", apart, ways)
    yield Specimen("postgres", "within", within, ways, ("env", "keyring", "encrypted"))


def _command(folder: Path) -> Iterator[Specimen]:
    """Scripts that tell their environment."""
    ways = {
        "stderr": "env >&2; exit 1",
        "stdout": "env; exit 1",
        "torn": 'printf \'{"id": 1, "n": "%s\' "$HIDDEN"',
        "checkpoint": 'env > "$ETL_CHECKPOINT"',
    }
    program = folder / "tell"
    program.write_text(
        f"#!/bin/sh\ncase $1 in\n{''.join(f'{way}) {does};;' for way, does in ways.items())}\nesac\n"
    )
    program.chmod(0o755)

    def make(way: str, plant: Plant) -> dict[str, Any]:
        streams = {"rows": {"key": ["id"]}} if way in ("stdout", "torn") else {}
        return {"argv": [str(program), way], "secrets": {"HIDDEN": plant(new_secret())}, "streams": streams}

    yield Specimen("command", "script", make, ways=tuple(ways))


TAP = """#!/bin/sh
for each; do
  case $before in --config) config=$each;; esac
  before=$each
done
case $WAY in
  stderr) cat "$config" >&2; exit 1;;
  stdout) cat "$config";;
  strange) echo "{\\"type\\": \\"RECORD\\", \\"stream\\": $(cat "$config")}";;
esac
"""


def _singer(folder: Path) -> Iterator[Specimen]:
    """Taps that tell their settings."""
    program = folder / "tap-tell"
    program.write_text(TAP)
    program.chmod(0o755)

    def make(way: str, plant: Plant) -> dict[str, Any]:
        settings = {"config": {"user": "a"}, "secrets": {"password": plant(new_secret())}}
        catalog = {"streams": [{"tap_stream_id": "x", "stream": "x", "schema": {"properties": {}}}]}
        return {"tap": str(program), "environment": {"WAY": way}, "catalog": catalog, **settings}

    yield Specimen("singer", "tap", make, ways=("stderr", "stdout", "strange"))


def _leaky() -> Iterator[Specimen]:
    def make(how: str, plant: Plant) -> dict[str, Any]:
        accounts = [{"name": "a", "password": plant(new_secret())}]
        return {
            "how": how,
            "token": plant(new_secret()),
            "accounts": accounts,
            "api_key": plant(new_secret()),
        }

    yield Specimen("leaky", "leaky", make, ways=HOWS)
