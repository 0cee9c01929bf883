"""Hosts that are this machine."""

from __future__ import annotations

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Tell whether what is sent to *host* crosses no network."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
