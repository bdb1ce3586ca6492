"""References in a config become what they refer to, in the worker; what leads nowhere is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl_core.errors import Unauthorised
from etl_core.secret_references import resolve_secrets


def test_a_variable_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", "s3cret")
    config = {"token": "env:GH_TOKEN", "tap": {"args": ["--key", "env:GH_TOKEN"], "n": 5}, "plain": "env"}
    assert resolve_secrets(config) == {
        "token": "s3cret",
        "tap": {"args": ["--key", "s3cret"], "n": 5},
        "plain": "env",
    }


def test_a_file_in_a_field_that_holds_a_secret(tmp_path: Path) -> None:
    """By its name, by its type, or below such a field; elsewhere `file:` may be an address."""
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    reference = f"file:{secret}"
    config = {"token": reference, "url": reference, "login": {"password": reference, "how": reference}}
    assert resolve_secrets(config) == {
        "token": "s3cret",
        "url": reference,
        "login": {"password": "s3cret", "how": reference},
    }
    assert resolve_secrets({"login": {"how": reference}}, {"login.how"}) == {"login": {"how": "s3cret"}}


def test_the_config_itself_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", "s3cret")
    config = {"token": "env:GH_TOKEN", "inner": {"token": "env:GH_TOKEN"}}
    resolve_secrets(config)
    assert config == {"token": "env:GH_TOKEN", "inner": {"token": "env:GH_TOKEN"}}


def test_what_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GH_TOKEN", raising=False)
    with pytest.raises(Unauthorised, match="env:GH_TOKEN: this variable is not set where the worker runs"):
        resolve_secrets({"token": "env:GH_TOKEN"})
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe secret")
    for path in (tmp_path / "missing", tmp_path, binary):
        with pytest.raises(Unauthorised, match="the worker cannot read it") as refused:
            resolve_secrets({"token": f"file:{path}"})
        assert str(path) in str(refused.value)
        assert "secret\\" not in str(refused.value)
