"""When each key was brought up to date last: a pure object, the time comes in with every call.

Laws: a layout is good for its time to live from the moment at which its counts were read, and no longer, whatever
the machine's clock did since; what another worker looked after is not up to date here before it was composed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from streams.catalog.page import Key

NEVER = 0


class Moment(NamedTuple):
    """Milliseconds since 1970, and of a clock that is never set."""

    wall: int
    steady: float


class Freshness:
    """When keys were up to date, and why some could not be brought up to date again."""

    def __init__(self, ttl_ms: int, skew_ms: int) -> None:
        self._ttl = ttl_ms
        self._skew = skew_ms
        self._at: dict[Key, Moment] = {}
        self._faults: dict[Key, str] = {}

    def up_to_date(self, key: Key, at: Moment) -> None:
        """What renderers have of the key is what its counts and its page said at that moment, or as good."""
        self._at[key] = at
        self._faults.pop(key, None)

    def failed(self, key: Key, why: str) -> None:
        """The key could not be brought up to date."""
        self._faults[key] = why

    def good_until(self, key: Key, now: Moment) -> int:
        """When the key's layout ends, milliseconds since 1970; NEVER where it was not composed here.

        So it is where the two clocks went apart since: one was set, or the machine slept.
        """
        at = self._at.get(key)
        if at is None:
            return NEVER
        since = int(now.wall - (now.steady - at.steady))
        return NEVER if abs(since - at.wall) > self._skew else min(at.wall, since) + self._ttl

    def why(self, key: Key) -> str:
        """Why the key is not up to date."""
        if key in self._faults:
            return self._faults[key]
        return "it waits for its turn" if key in self._at else "this worker has not composed it yet"

    def forget(self, key: Key) -> None:
        """The key has no layout any more."""
        self._at.pop(key, None)
        self._faults.pop(key, None)

    def keep(self, is_owned: Callable[[Key], bool]) -> None:
        """Forget keys that went to another worker."""
        self._at = {key: at for key, at in self._at.items() if is_owned(key)}
        self._faults = {key: why for key, why in self._faults.items() if is_owned(key)}
