"""Who may reach a server of ours: this machine alone, or who knows its token."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from pydantic import SecretStr

from schemas.errors import BadSettings

SHORTEST_TOKEN = 16


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_of(url: str) -> str:
    """The name or address in a URL or in what follows its scheme; empty where there is none or it cannot be read."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def required_token(group: str, host: str, token: SecretStr) -> str:
    """The token of a group of settings, empty where none is set.

    Raises `BadSettings` for an address beyond this machine without a token of some length.
    """
    secret = token.get_secret_value()
    if not is_loopback(host) and len(secret) < SHORTEST_TOKEN:
        raise BadSettings(
            f"{group}.host {host} can be reached from elsewhere: expected {group}.token with at least "
            f"{SHORTEST_TOKEN} characters, got {len(secret)}. Set a token, or use 127.0.0.1."
        )
    return secret
