"""The app id and the keys of an environment, and which of them are missing. It is imported by commands that stay offline."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from leanplum_sync.client.credentials import APP_ID_VARIABLE, Connection, Keys
from leanplum_sync.errors import CredentialError
from leanplum_sync.project.model import EmbeddedEnvironment, Environment, FromVariable, LiveEnvironment
from leanplum_sync.wire.catalogue import KeyClass


def missing_access(environment: Environment, needs: Collection[KeyClass]) -> list[str]:
    """Return a sentence for each variable that is missing: that with the app's id, and those with the keys in *needs*."""
    if isinstance(environment, EmbeddedEnvironment):
        return []
    keys = keys_of(environment, os.environ)
    missing = [sentence for each in needs if (sentence := keys.missing(each))]
    try:
        connection_to(environment, os.environ)
    except CredentialError as error:
        return [str(error), *missing]
    return missing


def connection_to(environment: LiveEnvironment, environ: Mapping[str, str]) -> Connection:
    """
    Raises:
        CredentialError: the app's id is missing, or ``LEANPLUM_API_URL`` is no good.
    """
    match environment.app_id:
        case FromVariable() as variable:
            name = variable.name
            return Connection.from_environment(
                {**environ, name: variable.text(environ)}, app_id_variable=name
            )
        case str() as app_id:
            return Connection.from_environment({**environ, APP_ID_VARIABLE: app_id})


def keys_of(environment: LiveEnvironment, environ: Mapping[str, str]) -> Keys:
    return Keys(environ, variables={key: getattr(environment.keys, key.value) for key in KeyClass})
