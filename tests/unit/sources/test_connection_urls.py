"""What tells the rows of one connection's URL from those of another."""

from __future__ import annotations

import pytest

from leanplum_sync.sources.connections.opening import target_of

URL = "postgresql://reader:secret@db:5432/shop?options=-csearch_path%3Da&sslmode=require"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("reader", "owner"),
        ("db", "db2"),
        ("5432", "5433"),
        ("/shop", "/shop2"),
        ("%3Da", "%3Db"),
        ("postgresql:", "postgresql+psycopg:"),
    ],
)
def test_another_account_server_database_or_schema_has_other_rows(old: str, new: str) -> None:
    assert target_of(URL.replace(old, new, 1)) != target_of(URL)


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "postgresql://reader:secret@db,db2:5432/shop",
        "postgresql://reader@db/shop?password=secret",
        "postgresql:///shop?user=reader&password=secret&sslpassword=secret",
    ],
)
def test_another_password_has_the_same_rows(url: str) -> None:
    assert "secret" not in target_of(url)
    assert target_of(url.replace("secret", "other")) == target_of(url)


def test_a_port_is_not_taken_for_a_password() -> None:
    url = "postgresql://db:5432/shop?application_name=a@b"
    assert target_of(url) == url
