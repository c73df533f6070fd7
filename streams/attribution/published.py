"""Which decisions stand in events-conversions already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Standing(NamedTuple):
    """A decision found in the topic at `offset`, on the purchase at offset `purchase`."""

    offset: int
    purchase: int
    event_id: str


class Published:
    """The decisions found from `start` on whose purchases are still to be decided.

    A decision is identified by its event_id and the offset of its purchase: an
    event_id may come again once the window for duplicates is past.
    `resume_at` is what a memory stores: every decision on a purchase that is
    still to be decided is there or later, whoever published it.
    """

    def __init__(self, start: int) -> None:
        self.read_to = start
        self._standing: dict[tuple[str, int], int] = {}

    def note(self, decisions: Iterable[Standing], end: int) -> None:
        """Note what was read from `read_to` up to `end`."""
        for decision in decisions:
            self._standing.setdefault((decision.event_id, decision.purchase), decision.offset)
        self.read_to = max(self.read_to, end)

    def stands(self, event_id: str, purchase: int) -> bool:
        return (event_id, purchase) in self._standing

    def acknowledged(self, offsets: Sequence[int]) -> bool:
        """Our own publication; False when others wrote in between, so that the topic has to be read."""
        if sorted(offsets) != list(range(self.read_to, self.read_to + len(offsets))):
            return False
        self.read_to += len(offsets)
        return True

    def settle(self, purchase: int) -> None:
        """All purchases below this offset are decided and their decisions acknowledged."""
        if self._standing:
            self._standing = {key: offset for key, offset in self._standing.items() if key[1] >= purchase}

    @property
    def resume_at(self) -> int:
        return min(self._standing.values(), default=self.read_to)
