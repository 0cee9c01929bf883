"""The address of the API, and the keys for it. Keys come from the environment and are never shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from leanplum_sync.client.hiding import without
from leanplum_sync.errors import CredentialError
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.hosts import is_loopback

__all__ = ["EMULATOR_APP_ID", "EMULATOR_KEYS", "Connection", "KeyClass", "Keys"]

API_URL: Final = "https://api.leanplum.com"
APP_ID_VARIABLE: Final = "LEANPLUM_APP_ID"
API_URL_VARIABLE: Final = "LEANPLUM_API_URL"
_SHORTEST_KEY: Final = 8
_WHERE: Final = "in Leanplum's dashboard under App Settings > Keys & Settings"

# The public credentials of this project's own emulator (docs/emulator.md); they open nothing else.
EMULATOR_APP_ID: Final = "app_emulator"


@dataclass(frozen=True, slots=True)
class _KeyFacts:
    """*variable* usually holds the key, *use* says what it is needed for, *of_emulator* is the emulator's key."""

    variable: str
    use: str
    of_emulator: str


def _facts(key_class: KeyClass) -> _KeyFacts:
    match key_class:
        case KeyClass.PRODUCTION:
            return _KeyFacts("LEANPLUM_PRODUCTION_KEY", "to write users and send messages", "prod_emulator")
        case KeyClass.DEVELOPMENT:
            return _KeyFacts(
                "LEANPLUM_DEVELOPMENT_KEY",
                "to change content, import files, and delete users",
                "dev_emulator",
            )
        case KeyClass.DATA_EXPORT:
            return _KeyFacts("LEANPLUM_DATA_EXPORT_KEY", "to read users", "exp_emulator")
        case KeyClass.CONTENT_READ_ONLY:
            return _KeyFacts("LEANPLUM_CONTENT_READ_ONLY_KEY", "to look up messages", "cro_emulator")


KEY_VARIABLES: Final[Mapping[KeyClass, str]] = {each: _facts(each).variable for each in KeyClass}
EMULATOR_KEYS: Final[Mapping[KeyClass, str]] = {each: _facts(each).of_emulator for each in KeyClass}


@dataclass(frozen=True, slots=True)
class Connection:
    """
    One app on one host.

    *base_url* has no path; the client adds ``/api``. *host* is shown to people.
    """

    base_url: str
    app_id: str
    is_emulator: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).netloc

    @property
    def url(self) -> str:
        return f"{self.base_url}/api"

    @property
    def is_local(self) -> bool:
        return is_loopback(urlsplit(self.base_url).hostname or "")

    @classmethod
    def to_emulator(cls, base_url: str) -> Connection:
        return cls(base_url.rstrip("/"), EMULATOR_APP_ID, is_emulator=True)

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], *, app_id_variable: str = APP_ID_VARIABLE
    ) -> Connection:
        """
        Return the app that *environ* names, on Leanplum's host or where ``LEANPLUM_API_URL`` points.

        Raises:
            CredentialError: the app's id is missing, or the URL would send keys unencrypted over a network.
        """
        app_id = environ.get(app_id_variable, "").strip()
        if not app_id:
            raise CredentialError(
                f"{app_id_variable} is not set: it must contain the id of your Leanplum app. Find its app id {_WHERE}."
            )
        base_url = environ.get(API_URL_VARIABLE, "").strip() or API_URL
        checked = _checked(base_url)
        # The app id alone proves nothing. Only an address on this machine can't be Leanplum's.
        is_emulator = app_id == EMULATOR_APP_ID and is_loopback(urlsplit(checked).hostname or "")
        return cls(checked, app_id, is_emulator=is_emulator)


class Keys:
    """
    The keys of one app, looked up by class, and the names of the variables that hold them.

    A key is read when it is first needed, so a plan runs where the production key doesn't exist.
    """

    def __init__(
        self, environ: Mapping[str, str], *, variables: Mapping[KeyClass, str] | None = None
    ) -> None:
        self._environ = environ
        self._variables = {**KEY_VARIABLES, **(variables or {})}

    @classmethod
    def of(cls, keys: Mapping[KeyClass, str]) -> Keys:
        """Return keys held in memory, such as ``EMULATOR_KEYS``."""
        return cls({KEY_VARIABLES[key_class]: key for key_class, key in keys.items()})

    def variable(self, key_class: KeyClass) -> str:
        return self._variables[key_class]

    def has(self, key_class: KeyClass) -> bool:
        return bool(self._environ.get(self.variable(key_class), "").strip())

    def key(self, key_class: KeyClass) -> str:
        """
        Raises:
            CredentialError: the variable is empty or missing; the sentence says what the key is for.
        """
        if sentence := self.missing(key_class):
            raise CredentialError(sentence)
        return self._environ[self.variable(key_class)].strip()

    def missing(self, key_class: KeyClass) -> str:
        """Return the error's sentence if the key is missing, else nothing."""
        if self.has(key_class):
            return ""
        return (
            f"{self.variable(key_class)} is not set: the {key_class.words} key is needed {_facts(key_class).use}. "
            f"Find it {_WHERE}."
        )

    def refused(self, key_class: KeyClass, reason: str) -> CredentialError:
        return CredentialError(
            f"Leanplum refused the key in {self.variable(key_class)} ({reason}). It must be the {key_class.words} "
            f"key of the app in {APP_ID_VARIABLE}: find both {_WHERE}."
        )

    def hidden(self, content: bytes) -> bytes:
        """Return *content* without any key: servers and proxies may repeat what they were sent."""
        for variable in self._variables.values():
            key = self._environ.get(variable, "").strip()
            if len(key) >= _SHORTEST_KEY:  # a few letters would be found in any response
                content = without(content, key)
        return content

    def __repr__(self) -> str:
        held = (f"{key_class.words}={'***' if self.has(key_class) else 'missing'}" for key_class in KeyClass)
        return f"Keys({', '.join(held)})"


def _checked(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = None, None
    if parts is None or not host or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        raise CredentialError(
            f"{API_URL_VARIABLE} is not a URL such as http://127.0.0.1:8123: write the scheme, host, and port only."
        )
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise CredentialError(f"{API_URL_VARIABLE} has a path: leave it out; the client adds /api itself.")
    if parts.scheme == "http" and not is_loopback(host):
        raise CredentialError(
            f"{API_URL_VARIABLE} starts with http:, so keys would cross the network unencrypted. Use https:."
        )
    return f"{parts.scheme}://{parts.netloc}"
