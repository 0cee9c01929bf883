"""The only package that talks to the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leanplum_sync.client.client import Client

__all__ = ["Client"]


def __getattr__(name: str) -> Any:
    """Import the client lazily: planning uses the reader, and must not import anything that writes."""
    if name == "Client":
        from leanplum_sync.client.client import Client  # noqa: PLC0415 - as the docstring says

        return Client
    raise AttributeError(name)
