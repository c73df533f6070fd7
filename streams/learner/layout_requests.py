"""Which keys want a layout, and when they are asked for: a pure object, the time comes in with every call.

Laws: a clicked key is asked for at the next `take`; one that was only seen
when its last request is `rest_s` old, at the next `take_seen` after that; none is forgotten.
"""

from __future__ import annotations

Key = tuple[str, str]


class RequestDebouncer:
    """Pages and segments whose counts changed; times are seconds of one steady clock."""

    def __init__(self, rest_s: float) -> None:
        self._rest_s = rest_s
        self._clicked: set[Key] = set()
        self._seen: set[Key] = set()
        self._asked: dict[Key, float] = {}

    def note(self, key: Key, *, clicked: bool) -> None:
        """The key's counts changed: by clicks or purchases, or by impressions alone."""
        (self._clicked if clicked else self._seen).add(key)

    def take(self, now: float) -> set[Key]:
        """The clicked keys, which are asked for now."""
        taken, self._clicked = self._clicked, set()
        # A request for a click tells of the impressions before it, too.
        self._seen -= taken
        self._asked.update(dict.fromkeys(taken, now))
        return taken

    def take_seen(self, now: float) -> set[Key]:
        """The keys that were only seen and whose last request is old, which are asked for now."""
        self._asked = {key: at for key, at in self._asked.items() if now - at < self._rest_s}
        taken = self._seen - self._asked.keys()
        self._seen -= taken
        self._asked.update(dict.fromkeys(taken, now))
        return taken
