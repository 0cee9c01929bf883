"""Where downloads may be redirected to."""

from __future__ import annotations

import pytest
import requests

from leanplum_sync.client.http import HttpTransport, PlainRedirectError


def _redirected(url: str, target: str) -> requests.Response:
    response = requests.Response()
    response.status_code, response.url = 302, url
    response.headers["Location"] = target
    return response


@pytest.mark.parametrize(
    "target", ["http://other.example/a", "HTTP://other.example/a", "ftp://other.example/a"]
)
def test_a_download_is_not_redirected_from_https_to_anything_else(target: str) -> None:
    with HttpTransport() as transport, pytest.raises(PlainRedirectError):
        transport._session().get_redirect_target(_redirected("https://files.example/a", target))


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://files.example/a", "https://other.example/a"),
        ("https://files.example/a", "/b"),
        ("https://files.example/a", "//other.example/a"),
        ("http://127.0.0.1:80/a", "http://127.0.0.1:81/a"),
    ],
)
def test_other_redirects_are_followed(url: str, target: str) -> None:
    with HttpTransport() as transport:
        assert transport._session().get_redirect_target(_redirected(url, target)) == target
