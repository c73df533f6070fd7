"""Which keys need a layout, when they are asked for, and how much came: pure, the time comes in with every call.

Laws: a clicked key is asked for at the next `take`; one with impressions alone
when its last request is `rest_s` old, at the next `take_unclicked` after that; none is
forgotten, and the requests of a key add up to what came.
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas.codec import encode, encode_key
from schemas.messages.layouts import LayoutRequest
from schemas.topics import LAYOUT_REQUESTS
from streams.fold.evidence import NO_EVIDENCE, Evidence
from streams.kafka.producer import OutgoingRecord

Key = tuple[str, str]


class RequestDebouncer:
    """Pages and segments whose counts changed; times are seconds of one steady clock."""

    def __init__(self, rest_s: float) -> None:
        self._rest_s = rest_s
        self._clicked: set[Key] = set()
        self._came: dict[Key, Evidence] = {}
        self._requested_at: dict[Key, float] = {}

    def note(self, key: Key, came: Evidence, *, clicked: bool) -> None:
        """The key's counts changed: by clicks or purchases, or by impressions alone."""
        self._came[key] = self._came.get(key, NO_EVIDENCE).plus(came)
        if clicked:
            self._clicked.add(key)

    def take(self, now: float) -> dict[Key, Evidence]:
        """What came to the clicked keys, which are asked for now; the impressions before a click go with it."""
        keys, self._clicked = self._clicked, set()
        return self._take(keys, now)

    def take_unclicked(self, now: float) -> dict[Key, Evidence]:
        """What came to the keys without clicks whose last request is old, which are asked for now."""
        self._requested_at = {key: at for key, at in self._requested_at.items() if now - at < self._rest_s}
        return self._take(self._came.keys() - self._clicked - self._requested_at.keys(), now)

    def _take(self, keys: set[Key], now: float) -> dict[Key, Evidence]:
        self._requested_at.update(dict.fromkeys(keys, now))
        return {key: self._came.pop(key) for key in keys}


def request_records(came: Mapping[tuple[str, str], Evidence], *, clicked: bool) -> list[OutgoingRecord]:
    """The requests for keys, with how much came of each."""
    return [
        OutgoingRecord(
            LAYOUT_REQUESTS.name,
            encode_key(LAYOUT_REQUESTS, *key),
            encode(LayoutRequest(*key, clicked, int(evidence.impressions), int(evidence.clicks))),
        )
        for key, evidence in sorted(came.items())
    ]
