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
        "flightsql://db:31337?token=secret",
    ],
)
def test_another_password_has_the_same_rows(url: str) -> None:
    assert "secret" not in target_of(url)
    assert target_of(url.replace("secret", "other")) == target_of(url)


LAKE = "s3://exports/crm"
OPTIONS = {
    "region": "eu-west-1",
    "endpoint": "http://one",
    "access_key_id": "A",
    "secret_access_key": "hidden",
}


@pytest.mark.parametrize("name", ["region", "endpoint", "access_key_id"])
def test_another_option_of_an_object_store_has_other_rows(name: str) -> None:
    assert target_of(LAKE, {**OPTIONS, name: "other"}) != target_of(LAKE, OPTIONS)
    assert target_of(LAKE, {}) != target_of(LAKE, {name: "other"})


def test_another_secret_of_an_object_store_has_the_same_rows() -> None:
    for name in ("secret_access_key", "session_token", "account_key", "sas_token", "client_secret"):
        assert target_of(LAKE, {**OPTIONS, name: "hidden"}) == target_of(LAKE, {**OPTIONS, name: "other"})
    assert "hidden" not in target_of(LAKE, OPTIONS)


def test_variables_that_choose_another_store_have_other_rows() -> None:
    for name in (
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AZURE_STORAGE_ACCOUNT_NAME",
        "AWS_ACCESS_KEY_ID",
    ):
        assert target_of(LAKE, {}, {name: "other"}) != target_of(LAKE)
        assert target_of(URL, {}, {name: "other"}) == target_of(URL)
    assert target_of(LAKE, {}, {"AWS_SECRET_ACCESS_KEY": "other", "HOME": "/root"}) == target_of(LAKE)


def test_a_port_is_not_taken_for_a_password() -> None:
    url = "postgresql://db:5432/shop?application_name=a@b"
    assert target_of(url) == url
