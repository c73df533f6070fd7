"""Which libraries take part in measurements of decisions, and what each needs to be installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping

from schemas.errors import BadSettings

PEERS: Mapping[str, str] = {
    "most-popular": "",
    "epsilon-greedy": "",
    "pessimistic-ts": "",
    "bayesianbandits": "bayesianbandits",
    "mabwiser-ts": "mabwiser",
    "mabwiser-linucb": "mabwiser",
    "mabwiser-lints": "mabwiser",
    "pybandits-ts": "pybandits",
    "vw-cb-explore-adf": "vowpalwabbit",
    "vw-ccb-explore-adf": "vowpalwabbit",
}
"""Peer and the package that it needs."""


def participants(peers: Iterable[str]) -> list[str]:
    """The peers of these names, in the order of all; raises `BadSettings` where what one needs is not installed."""
    chosen = frozenset(peers)
    if "none" in chosen:
        return []
    names = [name for name in PEERS if name in chosen or "all" in chosen]
    if missing := sorted({PEERS[name] for name in names if not is_installed(name)}):
        raise BadSettings(
            f"--peers: {', '.join(missing)} is not installed. `make bench` installs what the peers need; "
            "`--peers most-popular --peers epsilon-greedy` needs nothing."
        )
    return names


def is_installed(peer: str) -> bool:
    """Whether all is there that a peer needs."""
    return not PEERS[peer] or importlib.util.find_spec(PEERS[peer]) is not None
