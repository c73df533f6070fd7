"""Which decisions stand in events-conversions already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Standing(NamedTuple):
    """A decision found in the topic."""

    offset: int
    append_time: int
    event_id: str


class Published:
    """The decisions found from `start` on that no purchase has been matched with yet.

    `resume_at` is what a memory stores: every decision on a purchase that is
    still to be decided lies there or later, whoever published it.
    """

    def __init__(self, start: int) -> None:
        self.read_to = start
        self._standing: dict[str, Standing] = {}

    def found(self, decisions: Iterable[Standing], end: int) -> None:
        """Note what was read from `read_to` up to `end`."""
        for decision in decisions:
            self._standing.setdefault(decision.event_id, decision)
        self.read_to = max(self.read_to, end)

    def stands(self, event_id: str) -> bool:
        return event_id in self._standing

    def acknowledged(self, offsets: Sequence[int]) -> bool:
        """Our own publication; False when others wrote in between, so that the topic has to be read."""
        if not offsets:
            return True
        if sorted(offsets) != list(range(self.read_to, self.read_to + len(offsets))):
            return False
        self.read_to += len(offsets)
        return True

    def settle(self, event_ids: Iterable[str], before: int) -> None:
        """Let go of decisions that were made, and of those appended before `before`, which no later purchase can be."""
        for event_id in event_ids:
            self._standing.pop(event_id, None)
        old = [one.event_id for one in self._standing.values() if one.append_time < before]
        for event_id in old:
            del self._standing[event_id]

    @property
    def resume_at(self) -> int:
        return min((one.offset for one in self._standing.values()), default=self.read_to)
