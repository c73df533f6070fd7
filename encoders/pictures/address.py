"""Where a picture may be fetched from: hosts that are allowed, at public addresses.

URLs come from whoever writes the catalog.  So that none of them makes the encoder ask a
server of the shop's own network, a name is looked up once, all its addresses must be
public, and the connection goes to one of just these (`encoders.pictures.fetch`).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from encoders.pictures.refusal import Refused

PORTS = {"http": 80, "https": 443}
EVERY_HOST = "*"
NAT64 = ipaddress.ip_network("64:ff9b::/96")
Resolve = Callable[[str, int], Sequence[str]]


class Target(NamedTuple):
    """A URL in its parts; `path` has the query with it."""

    scheme: str
    host: str
    port: int
    path: str


def target(url: str, hosts: Sequence[str]) -> Target:
    """The parts of a URL whose host is one of `hosts`: `shop.example`, `*.shop.example`, `shop.example:8080`, `*`.

    Raises `Refused`.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode().rstrip("."), parts.port
    except (ValueError, UnicodeError) as error:
        raise Refused("host", f"expected a URL, got {url[:80]!r}: {error}") from None
    if parts.scheme not in PORTS or not host or parts.username is not None:
        raise Refused("host", f"expected http or https with a host and no user, got {url[:80]!r}")
    usual = PORTS[parts.scheme]
    named = host if port in (None, usual) else f"{host}:{port}"
    if not any(_allows(pattern.lower(), named.lower()) for pattern in hosts):
        raise Refused("host", f"expected one of pictures.hosts, got {named}")
    path = "".join(char for char in parts.path if char > " ") or "/"
    return Target(parts.scheme, host, port or usual, f"{path}?{parts.query}" if parts.query else path)


def _allows(pattern: str, named: str) -> bool:
    if pattern == EVERY_HOST:
        return ":" not in named
    return named.endswith(pattern[1:]) if pattern.startswith("*.") else named == pattern


def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of a host; raises `OSError`."""
    numbers: list[Any] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in numbers]


def addresses(where: Target, private: bool, resolve: Resolve = look_up) -> Sequence[str]:
    """The addresses of a host, all of them public unless `private` ones are allowed; raises `Refused`."""
    try:
        numbers = resolve(where.host, where.port)
    except OSError as error:
        raise Refused("unreachable", f"{where.host} has no address: {error}") from None
    for address in numbers:
        if not private and not is_public(address):
            raise Refused("address", f"{where.host} is at {address}, which is not public")
    if not numbers:
        raise Refused("unreachable", f"{where.host} has no address")
    return numbers


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet, also of what is inside it: an IPv4 address within IPv6."""
    number = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(number, ipaddress.IPv6Address):
        inside = number.ipv4_mapped or number.sixtofour
        if inside is None and number in NAT64:
            inside = ipaddress.IPv4Address(int(number) & 0xFFFF_FFFF)
        if inside is not None:
            return is_public(str(inside))
    return number.is_global and not number.is_multicast
