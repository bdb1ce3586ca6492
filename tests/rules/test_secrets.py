"""Secrets in configurations: what is a reference, what is in clear, and that no value is ever told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.rules.secrets import Reference, names_a_secret, parse_reference, secrets_in_clear

SECRET_NAMES = ["token", "password", "client_secret", "apiKey", "API_KEY", "private-key", "credentials"]
PUBLIC_NAMES = [
    "path",
    "records",
    "key",
    "keys",
    "token_url",
    "access_key_id",
    "password_file",
    "format",
    "stream",
]


@pytest.mark.parametrize(
    "name", [*SECRET_NAMES, "githubToken", "github_token", "db.password", "HTTP_PASSWD", "PAT"]
)
def test_names_of_secrets(name: str) -> None:
    assert names_a_secret(name)


@pytest.mark.parametrize(
    "name", [*PUBLIC_NAMES, "", "page_size", "patience", "tokenizer", "secretary", "keyboard"]
)
def test_names_of_other_things(name: str) -> None:
    assert not names_a_secret(name)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("env:TOKEN", Reference("env", "TOKEN")),
        ("env:_a1", Reference("env", "_a1")),
        ("file:/run/secrets/token", Reference("file", "/run/secrets/token")),
        ("file:/a b", Reference("file", "/a b")),
    ],
)
def test_references(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    "text",
    ["", "env:", "env:1A", "env:A B", "env:A\n", " env:A", "ENV:A", "file:", "file:/", "file:a", "file:~/a",
     "file:/a\n", "file:/a/", "abc"],
)  # fmt: skip
def test_what_is_no_reference(text: str) -> None:
    assert parse_reference(text) is None


@given(st.from_regex(r"env:[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True), st.sampled_from(SECRET_NAMES))
def test_a_reference_is_never_in_clear(reference: str, name: str) -> None:
    assert secrets_in_clear({name: reference, "nested": [{name: [reference]}]}) == []


@given(
    st.text(min_size=1).filter(lambda text: parse_reference(text) is None) | st.integers() | st.floats(),
    st.sampled_from(SECRET_NAMES),
)
def test_anything_else_under_a_secret_name_is_in_clear_and_not_told(value: Any, name: str) -> None:
    found = secrets_in_clear({"outer": {"list": [{name: value}]}})
    assert [place.path for place in found] == [f"outer.list.0.{name}"]
    assert "a secret field" in found[0].because


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("abc /.", max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(PUBLIC_NAMES), inner, max_size=3)
    ),
)


@given(st.dictionaries(st.sampled_from(PUBLIC_NAMES), json_values))
def test_public_names_may_hold_anything_plain(config: dict[str, Any]) -> None:
    assert secrets_in_clear(config) == []


@given(
    st.text(st.characters(categories=["L", "N"]), min_size=1), st.text(st.characters(categories=["L", "N"]))
)
def test_a_value_is_never_repeated(password: str, user: str) -> None:
    password += "#s3cr3t"
    for place in secrets_in_clear(
        {
            "password": password,
            "base": f"https://{user}:{password}@host/path",
            "dsn": f"host=a password={password}",
            "query": f"https://host/?api_key={password}",
        }
    ):
        assert password not in place.path + place.because


@pytest.mark.parametrize(
    "value",
    [
        "https://user:hunter2@host/path",
        "postgresql://u:p/w@host",
        "amqp://:pw@host",
        "https://host/feed?access_token=abc",
        "host=db user=me password=hunter2",
        "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN RSA PRIVATE KEY-----\nMII",
        "Authorization: Bearer abcdefghijklmnopqrstuvwxyz",
    ],
)
def test_secrets_under_harmless_names(value: str) -> None:
    assert [place.path for place in secrets_in_clear({"note": value})] == ["note"]


@pytest.mark.parametrize(
    "value",
    [
        "https://host:8080/path?mail=a@b.example",
        "https://user@host/repo.git",
        "git@github.com:octo/app.git",
        "/srv/data/*.csv",
        "password reset mails",
        "updated >= -1d AND project = ETL",
        "host=db user=me password=env:PGPASSWORD",
    ],
)
def test_harmless_text(value: str) -> None:
    assert secrets_in_clear({"note": value}) == []


def test_fields_that_the_connector_types_as_secret() -> None:
    config = {"pin": "1234", "accounts": [{"pin": "5678"}, {"pin": "env:PIN"}]}
    assert [place.path for place in secrets_in_clear(config, {"pin", "accounts.pin"})] == [
        "pin",
        "accounts.0.pin",
    ]


def test_an_object_of_secrets_may_hold_public_fields() -> None:
    config = {"credentials": {"client_id": "me", "user": "me", "github": "hunter2", "jira": "env:JIRA"}}
    assert [place.path for place in secrets_in_clear(config)] == ["credentials.github"]


def test_nothing_given_is_no_secret() -> None:
    assert secrets_in_clear({"token": None, "password": "", "secret": False}) == []
