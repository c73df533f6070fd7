"""User and password out of an address, so that what shows the address shows no secret."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

HIDDEN = "********"
_IN_QUERY = re.compile(r"[?&](?:username|password)=")
_SECRET_FIELDS = re.compile(r"(?i)((?:password|passwd|pass|pwd|secret|token)['\"]?\s*[:=]\s*['\"]?)[^&\s'\"]+")
_USER_INFO = re.compile(r"(?s)(://).*@|^()[^@]*:.*@")


class Address(NamedTuple):
    """An address without user and password, and these; empty where it named none."""

    url: str
    username: str
    password: str


def without_credentials(url: str) -> Address:
    """Split `scheme://user:password@place?username=...&password=...`; what the query says counts, as for redis-py.

    Everything before the last `@` is user and password, so that a password may hold `/`, `?`, `#` and `@` as they are.
    """
    scheme, separator, rest = url.partition("://")
    query = ""
    if field := _IN_QUERY.search(rest):
        at = rest.find("?", 0, field.start() + 1)
        rest, query = rest[:at], rest[at + 1 :]
    user_info, _, place = rest.rpartition("@")
    username, _, password = user_info.partition(":")
    fields = parse_qsl(query, keep_blank_values=True)
    by_name = dict(fields)
    others = "&".join(f"{name}={value}" for name, value in fields if name not in ("username", "password"))
    return Address(
        f"{scheme}{separator}{place}" + (f"?{others}" if others else ""),
        by_name.get("username", unquote(username)),
        by_name.get("password", unquote(password)),
    )


def masked(text: str) -> str:
    """A text with what stands for a user or a secret in an address hidden."""
    return _SECRET_FIELDS.sub(rf"\1{HIDDEN}", _USER_INFO.sub(rf"\1{HIDDEN}@", text))
