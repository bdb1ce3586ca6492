from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_core.redact import redact_text, redact_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://etl:secret@mq.example/prod", "amqp://etl:***@mq.example/prod"),
        ("amqps://etl@mq.example:5671/", "amqps://etl@mq.example:5671/"),
        ("amqp://mq.example", "amqp://mq.example"),
        (
            "postgresql://etl:a@b/c?d@db:5432/etl?sslmode=require",
            "postgresql://etl:***@db:5432/etl?sslmode=require",
        ),
        (
            "postgresql://db/etl?user=u&password=p&sslmode=require",
            "postgresql://db/etl?user=u&password=***&sslmode=require",
        ),
        ("postgresql://postgres:@/postgres?host=/tmp/pg", "postgresql://postgres:***@/postgres?host=/tmp/pg"),
        ("amqps://h/?cadata=abc&keyfile=k.pem", "amqps://h/?cadata=***&keyfile=***"),
    ],
)
def test_what_is_shown(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@given(st.text(min_size=8))
def test_no_password_is_shown(password: str) -> None:
    assert password not in redact_url(f"amqp://etl:{password}@host/vhost")


def test_messages_of_servers_lose_the_password_as_written_and_as_decoded() -> None:
    url = "amqp://etl:s%21cret@host/"
    assert redact_text("s%21cret and s!cret are wrong", url) == "*** and *** are wrong"
    assert redact_text("nothing to hide", "amqp://host") == "nothing to hide"
