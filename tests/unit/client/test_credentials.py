"""Keys: found by class, explained when missing, never shown."""

from __future__ import annotations

import base64

import pytest

from leanplum_sync.client.credentials import EMULATOR_APP_ID, Connection, KeyClass, Keys
from leanplum_sync.errors import CredentialError


@pytest.mark.parametrize("key_class", list(KeyClass))
def test_a_missing_key_is_named_with_its_use_and_where_to_find_it(key_class: KeyClass) -> None:
    with pytest.raises(CredentialError) as caught:
        Keys({}).key(key_class)
    assert Keys({}).variable(key_class) in str(caught.value)
    assert f"the {key_class.words} key is needed to" in str(caught.value)
    assert "App Settings > Keys & Settings" in str(caught.value)


def test_a_project_may_name_its_own_variables() -> None:
    keys = Keys({"SHOP_KEY": " prod_secret\n"}, variables={KeyClass.PRODUCTION: "SHOP_KEY"})
    assert keys.key(KeyClass.PRODUCTION) == "prod_secret"


@pytest.mark.claim("keys-hidden")
def test_keys_are_not_shown() -> None:
    keys = Keys({"LEANPLUM_PRODUCTION_KEY": "prod_secret"})
    assert repr(keys) == (
        "Keys(production=***, development=missing, data export=missing, content read-only=missing)"
    )
    assert "prod_secret" not in str(keys.refused(KeyClass.PRODUCTION, "Invalid access key"))


def test_the_connection_comes_from_the_environment() -> None:
    connection = Connection.from_environment({"LEANPLUM_APP_ID": "app_x"})
    assert (connection.url, connection.host) == ("https://api.leanplum.com/api", "api.leanplum.com")
    assert not connection.is_emulator


def test_a_missing_app_is_named() -> None:
    with pytest.raises(CredentialError, match="SHOP_APP is not set"):
        Connection.from_environment({"LEANPLUM_APP_ID": "app_x"}, app_id_variable="SHOP_APP")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8123", "http://localhost:1/", "http://[::1]:8123", "https://a.example"]
)
def test_the_url_may_point_elsewhere(url: str) -> None:
    connection = Connection.from_environment({"LEANPLUM_APP_ID": "app_x", "LEANPLUM_API_URL": url})
    assert connection.url == url.rstrip("/") + "/api"
    assert connection.is_local == ("example" not in url)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.leanplum.com",
        "api.leanplum.com",
        "https://me:hunter2@a.example",
        "https://a.example/api",
        "ftp://a.example",
        "https://a.example:port",
        "https://",
        "https://a.example?hunter2",
    ],
)
def test_a_url_that_would_leak_or_miss_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(CredentialError, match="LEANPLUM_API_URL") as caught:
        Connection.from_environment({"LEANPLUM_APP_ID": "app_x", "LEANPLUM_API_URL": url})
    assert "hunter2" not in str(caught.value)


def test_the_emulators_app_id_opens_no_plain_network() -> None:
    environ = {"LEANPLUM_APP_ID": EMULATOR_APP_ID, "LEANPLUM_API_URL": "http://emulator:8123"}
    with pytest.raises(CredentialError, match="unencrypted"):
        Connection.from_environment(environ)


def test_only_this_machine_is_taken_for_the_emulator() -> None:
    for url in ("http://127.0.0.1:8123", "http://localhost:8123", "https://[::1]"):
        environ = {"LEANPLUM_APP_ID": EMULATOR_APP_ID, "LEANPLUM_API_URL": url}
        assert Connection.from_environment(environ).is_emulator
    for url in ("", "https://www.leanplum.com", "https://emulator.example"):
        environ = {"LEANPLUM_APP_ID": EMULATOR_APP_ID, "LEANPLUM_API_URL": url}
        assert not Connection.from_environment(environ).is_emulator


@pytest.mark.claim("keys-hidden")
def test_keys_that_come_back_are_hidden() -> None:
    keys = Keys({"LEANPLUM_PRODUCTION_KEY": "prod_hunter2", "LEANPLUM_DATA_EXPORT_KEY": "x"})
    assert (
        keys.hidden(b'Invalid access key: {"clientKey": "prod_hunter2"}')
        == b'Invalid access key: {"clientKey": "***"}'
    )
    assert keys.hidden(b"x marks the spot") == b"x marks the spot"


KEY = "prod_h/2+x é"
ENCODED = {
    "JSON escapes": "".join(f"\\u{ord(letter):04x}" for letter in "prod_h/2+x ") + "é",
    "capital JSON escapes, some of them": "pro\\u0064\\u005Fh\\u002F2+x é",
    "JSON in JSON": "prod\\\\u005fh/2+x é",
    "a URL": "prod_h%2F2%2bx%20é",
    "HTML": "prod&#95;h&#x2f;2&#X2B;x é",
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64 in the middle of a text": base64.b64encode(f"?key={KEY}&".encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(f"k:{KEY}".encode()).decode(),
    "hexadecimal": KEY.encode().hex(),
    "capital hexadecimal": KEY.encode().hex().upper(),
}


@pytest.mark.claim("keys-hidden")
@pytest.mark.parametrize("how", ENCODED)
def test_keys_that_come_back_in_another_encoding_are_hidden(how: str) -> None:
    keys = Keys({"LEANPLUM_PRODUCTION_KEY": KEY})
    hidden = keys.hidden(f"<<{ENCODED[how]}>>".encode()).decode()
    assert "***" in hidden
    assert (
        len(hidden) <= len("<<***>>") + 12
    )  # base64 leaves what belongs to its neighbours, a few letters at the ends


def test_escapes_of_others_are_left_alone() -> None:
    keys = Keys({"LEANPLUM_PRODUCTION_KEY": "prod_hunter2"})
    for text in ("50 % off & caf\\u00e9 &#8364; %zz \\n", "prod\\u005fhunter3", "&#99999; \\u00ff"):
        assert keys.hidden(text.encode()).decode() == text
