"""URLs of postbacks: secrets in environment variables, looked up just before they are compared or sent."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from leanplum_sync.address import Subject
from leanplum_sync.errors import CredentialError
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.postback import seen_postbacks, type_and_variable


def url_in(variable: str) -> str:
    """
    Return the URL that the environment *variable* holds.

    Raises:
        CredentialError: it holds none.
    """
    url = os.environ.get(variable, "").strip()
    if not url:
        raise CredentialError(f"{variable} is not set: it must hold the URL of a postback.")
    try:
        parts = urlsplit(url)
        # An invalid port is noticed only when it is asked for.
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise CredentialError(
            f"{variable} does not hold the URL of a postback, such as https://hooks.example.com/leanplum."
        )
    return url


def check_urls(postbacks: Iterable[Subject]) -> None:
    """
    Raises:
        CredentialError: variables hold no URL, all of which are named, or hold the same.
    """
    problems: list[str] = []
    holders: dict[tuple[str, str], set[str]] = defaultdict(set)
    for postback in postbacks:
        type_, variable = type_and_variable(postback.id)
        try:
            holders[type_, url_in(variable)].add(variable)
        except CredentialError as error:
            problems.append(str(error))
    problems += [
        f"{' and '.join(sorted(names))} hold the same URL: list it once."
        for names in holders.values()
        if len(names) > 1
    ]
    if problems:
        raise CredentialError(" ".join(dict.fromkeys(problems)))


def seen_at(element: Mapping[str, Json], postbacks: Sequence[Subject]) -> Sequence[Mapping[str, Json]]:
    """
    Return what a listPostbacks *element* shows of each of *postbacks*.

    Raises:
        CredentialError: as for ``url_in``.
        UnexpectedResponseError: it is no list of postbacks.
    """
    seen = seen_postbacks(element)
    found: list[Mapping[str, Json]] = []
    for postback in postbacks:
        type_, variable = type_and_variable(postback.id)
        value = seen.get((type_, url_in(variable)))
        found.append({} if value is None else {postback.id: value})
    return found
