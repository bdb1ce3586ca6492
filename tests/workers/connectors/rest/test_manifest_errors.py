# ruff: noqa: E501 - messages stand as they are read
"""Bad manifests: each with the message that its author reads, with line, column, place, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl_core.connectors_registry import check_config
from etl_core.errors import InvalidInput, Permanent
from workers.connectors.rest import RestConnector
from workers.connectors.rest.config import RestConfig
from workers.connectors.rest.manifest import ManifestError, read_manifest
from workers.connectors.rest.manifest.schema import SCHEMA, render

GOOD = """\
version: 1
title: Shop
variables:
  org: {description: whose}
secrets:
  token: {description: a token}
base_url: https://shop.example.com/{{ variables.org }}
auth: {type: bearer, token: "{{ secrets.token }}"}
streams:
  orders:
    path: /orders
    records: data
    key: [id]
    columns: {id: bigint}
"""
PATH = "    path: /orders\n"

TABLE = [
    # what is replaced, by what, and the message
    ("version: 1", "version: 2", "1:10: version: unknown; one of 1 is wanted"),
    ("title: Shop\n", "", "1:1: `title` is missing: the API's name"),
    ("title: Shop", "title: 5", "2:8: title: a text is wanted; put it in quotes if it looks like a number, true, "
     "false or null"),
    ("path: /orders", "pth: /orders", "11:5: streams.orders.pth: there is no such field; did you mean `path`?"),
    ("path: /orders", "path: orders", "11:11: streams.orders.path: a path begins with a slash and is put behind "
     "base_url"),
    ("title: Shop", "titel: Shop", "2:1: titel: there is no such field; did you mean `title`?"),
    ('"{{ secrets.token }}"', "abc123", "8:29: auth.token: a secret in clear: declare it under `secrets` and write "
     "{{ secrets.NAME }} here"),
    (PATH, "", "11:5: streams.orders: give `path`, where its list is, or `within`, the stream whose records hold it"),
    ("variables.org", "variables.orgg", "7:11: base_url: `variables.orgg` is not declared; did you mean "
     "`variables.org`?"),
    ("{{ variables.org }}", "{{ variables.org | upper }}", "7:11: base_url: {{ variables.org | upper }} is no name: "
     "only names with dots, such as {{ variables.org }}, can stand in braces"),
    ("{{ variables.org }}", "{{ secrets.token }}", "7:11: base_url: `secrets.token` means nothing here; possible are "
     "variables.NAME"),
    ("https://shop.example.com/{{ variables.org }}", "ftp://shop.example.com", "7:11: base_url: no web address; it begins "
     "with https://, or with a {{ variables.NAME }} that does"),
    ("secrets.token", "secrets", "8:29: auth.token: `secrets` must say which: secrets.NAME"),
    ("type: bearer", "type: bear", "8:14: auth.type: unknown; one of bearer, basic, header, query, "
     "oauth2_client_credentials, oauth2_refresh is wanted"),
    ("type: bearer, ", "", "8:7: auth: `type` is missing; see docs/rest-manifest.md for the types"),
    ("orders:\n", "Orders:\n", "10:3: streams.Orders: a name is of small letters, digits and _, and begins with a "
     "letter"),
    ("records: data", "records: data[", "12:14: streams.orders.records: not a JMESPath expression: Invalid jmespath "
     "expression: Incomplete expression:"),
    ("id: bigint", "id: int", "14:19: streams.orders.columns.id: unknown; one of text, bigint, numeric, boolean, "
     "timestamptz, date, uuid, jsonb is wanted"),
    ("key: [id]", "key: [idd]", "13:11: streams.orders.key.0: the key column `idd` is not among the columns; did you "
     "mean `id`?"),
    ("key: [id]", "key: id", "13:10: streams.orders.key: a list is wanted: [a, b]"),
    (PATH, PATH + "    params: {a: {b: c}}\n", "12:17: streams.orders.params.a: a text, a whole number, true, false, "
     "or a list of texts is wanted"),
    (PATH, PATH + "    parent: {stream: order}\n", "12:22: streams.orders.parent.stream: there is no stream `order`; "
     "did you mean `orders`?"),
    (PATH, PATH + "    parent: {stream: orders}\n", "12:22: streams.orders.parent.stream: the stream is its own "
     "ancestor"),
    (PATH, PATH + "    pagination: {type: seek, size_param: n}\n", "11:5: streams.orders: `seek` needs `incremental` "
     "with a `param`, and no windows: see its reference"),
    (PATH, PATH + "    pagination: {type: cursor, param: c}\n", "12:17: streams.orders.pagination: give `cursor`, "
     "where it is in the body, or `header`, and not both"),
    (PATH, PATH + "    pagination: {type: offset, limit: 1}\n", "12:39: streams.orders.pagination.limit: Input should "
     "be greater than or equal to 2"),
    (PATH, PATH + "    pagination: {type: page}\n    full_refresh: true\n", "13:19: streams.orders.full_refresh: page "
     "numbers shift when a record is deleted during the walk, and what was missed would be marked deleted: use "
     "offset, a cursor or a next URL, or take it out"),
    (PATH, PATH + "    incremental: {cursor: at}\n", "12:18: streams.orders.incremental: give `param`, the parameter "
     "that takes the value (or `windows`)"),
    (PATH, PATH + "    incremental: {cursor: at, param: since, overlap: 5 minutes}\n", "12:54: "
     "streams.orders.incremental.overlap: not a duration; write 90s, 5m, 1h30m, 30d or 2w"),
    (PATH, PATH + "    incremental: {cursor: at, param: since, overlap: 5}\n", "12:54: "
     "streams.orders.incremental.overlap: for a cursor of kind time give a duration, as 5m"),
    (PATH, PATH + "    windows: {size: 30d, from_param: a, to_param: b}\n", "12:14: streams.orders.windows: windows "
     "of time need `incremental`, which says where they begin"),
    (PATH, PATH + "    errors: [{status: [404], then: ignore}]\n", "12:36: streams.orders.errors.0.then: unknown; one "
     "of transient, skip, permanent, unauthorised, rate_limited, restart is wanted"),
    (PATH, PATH + PATH, "12:5: this key comes twice in one mapping"),
    (PATH, "    path: !!python/name:os.system x\n", "11:11: a tag (!...) is not used here"),
    (PATH, PATH + "   x: [", "12:4: expected <block end>, but found ..."),
    ("title: Shop", "title: \x07", "2:1: a character that YAML does not allow"),
    (GOOD, "", "1:1: the file is empty"),
    (GOOD, "- a\n", "1:1: this is no manifest: it has neither `version` nor `streams`"),
]  # fmt: skip


@pytest.mark.parametrize(("was", "now", "told"), TABLE, ids=[told[:60] for *_, told in TABLE])
def test_what_is_wrong_is_told_with_its_place(was: str, now: str, told: str) -> None:
    assert was in GOOD
    with pytest.raises(ManifestError) as refused:
        read_manifest(GOOD.replace(was, now, 1), "shop.yaml")
    assert f"shop.yaml:{told}" in refused.value.problems


def test_the_good_one_is_good() -> None:
    assert list(read_manifest(GOOD, "shop.yaml").streams) == ["orders"]


def test_all_problems_are_found_at_once_and_the_first_is_told() -> None:
    bad = GOOD.replace("path: /orders", "pth: /orders").replace("id: bigint", "id: int")
    with pytest.raises(ManifestError, match=r"shop.yaml:11:5: .*\(and 1 more\)") as refused:
        read_manifest(bad, "shop.yaml")
    assert len(refused.value.problems) == 2


def test_a_field_that_is_misspelt_is_not_missing_too() -> None:
    with pytest.raises(ManifestError) as refused:
        read_manifest(GOOD.replace("title: Shop", "titel: Shop"), "shop.yaml")
    assert len(refused.value.problems) == 1


def test_a_file_that_is_no_manifest_is_not_quoted(tmp_path: Path) -> None:
    """It may be another's secret: whoever may add an integration must not read files of the workers."""
    for text in (
        "root:x:0:0:top secret",
        "'top secret",
        "[top secret",
        "top secret: [top secret",
        "top secret: 1",
    ):
        path = tmp_path / "passwd"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(Permanent) as refused:
            RestConnector(RestConfig.model_validate({"manifest": str(path)}))
        assert "top secret" not in str(refused.value)


def test_yaml_that_would_fill_the_memory_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ManifestError, match="more than 50,000 values"):
        read_manifest("\n".join(lines), "bomb.yaml")


def test_words_of_old_yaml_are_texts() -> None:
    manifest = read_manifest(
        GOOD.replace("title: Shop", "title: no").replace("whose", "2024-01-31"), "x.yaml"
    )
    assert manifest.title == "no"
    assert manifest.variables["org"].description == "2024-01-31"


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"manifest": "gitlabb"}, "there is no shipped manifest 'gitlabb'; there are entra, fabric, gitlab"),
        ({"manifest": "./shop.yaml"}, "A file is named by its absolute path"),
        ({"manifest": "gitlab"}, "secret token is missing: an access token with the scope read_api"),
        ({"manifest": "sentry", "secrets": {"token": "env:T"}}, "variable organization is missing"),
        (
            {"manifest": "gitlab", "secrets": {"token": "env:T"}, "variables": {"urll": "x"}},
            "variable urll is unknown; there are url, membership, since",
        ),
        (
            {"manifest": "gitlab", "secrets": {"token": "env:T"}, "streams": ["issue"]},
            "stream issue is unknown; there are projects, merge_requests, issues",
        ),
        (
            {"manifest": "gitlab", "secrets": {"token": "env:T"}, "variables": {"url": ["a", "b"]}},
            "variable url must be one value",
        ),
    ],
)
def test_a_configuration_that_does_not_fit_is_told_when_it_is_given(
    config: dict[str, object], told: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_config("rest", config)
    assert told in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    config = RestConfig.model_validate({"manifest": str(tmp_path / "shop.yaml")})
    with pytest.raises(Permanent, match="the worker cannot read this manifest"):
        RestConnector(config)


def test_the_published_schema_is_current() -> None:
    told = "run `python -m workers.connectors.rest.manifest.schema`"
    assert SCHEMA.read_text(encoding="utf-8") == render(), told
