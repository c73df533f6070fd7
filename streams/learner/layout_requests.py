"""Which keys need a layout, and when they are asked for: a pure object, the time comes in with every call.

Laws: a clicked key is asked for at the next `take`; one with impressions alone
when its last request is `rest_s` old, at the next `take_unclicked` after that; none is forgotten.
"""

from __future__ import annotations

Key = tuple[str, str]


class RequestDebouncer:
    """Pages and segments whose counts changed; times are seconds of one steady clock."""

    def __init__(self, rest_s: float) -> None:
        self._rest_s = rest_s
        self._clicked: set[Key] = set()
        self._unclicked: set[Key] = set()
        self._requested_at: dict[Key, float] = {}

    def note(self, key: Key, *, clicked: bool) -> None:
        """The key's counts changed: by clicks or purchases, or by impressions alone."""
        (self._clicked if clicked else self._unclicked).add(key)

    def take(self, now: float) -> set[Key]:
        """The clicked keys, which are asked for now."""
        keys, self._clicked = self._clicked, set()
        # A request for a click covers the impressions before it, too.
        self._unclicked -= keys
        self._requested_at.update(dict.fromkeys(keys, now))
        return keys

    def take_unclicked(self, now: float) -> set[Key]:
        """The keys with impressions alone whose last request is old, which are asked for now."""
        self._requested_at = {key: at for key, at in self._requested_at.items() if now - at < self._rest_s}
        keys = self._unclicked - self._requested_at.keys()
        self._unclicked -= keys
        self._requested_at.update(dict.fromkeys(keys, now))
        return keys
