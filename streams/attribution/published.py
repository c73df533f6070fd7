"""Which decisions stand in the topics that attribution writes already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class Source(NamedTuple):
    """The record that a decision was made for."""

    topic: str
    offset: int


class Standing(NamedTuple):
    """A decision found in a topic at `offset`."""

    offset: int
    source: Source
    event_id: str


class Published:
    """The decisions found from `start` on in one topic whose sources are still to be decided.

    A decision is identified by its event_id and its source: an
    event_id may come again once the window for duplicates is past.
    `resume_at` is what is stored: every decision on a record that is
    still to be decided is there or later, whoever published it.
    """

    def __init__(self, start: int) -> None:
        self.read_to = start
        self._standing: dict[tuple[str, Source], int] = {}

    def note(self, decisions: Iterable[Standing], end: int) -> None:
        """Note what was read from `read_to` up to `end`."""
        for decision in decisions:
            self._standing.setdefault((decision.event_id, decision.source), decision.offset)
        self.read_to = max(self.read_to, end)

    def stands(self, event_id: str, source: Source) -> bool:
        return bool(self._standing) and (event_id, source) in self._standing

    def acknowledged(self, offsets: Sequence[int]) -> bool:
        """Our own publication; False when others wrote in between, so that the topic has to be read."""
        if sorted(offsets) != list(range(self.read_to, self.read_to + len(offsets))):
            return False
        self.read_to += len(offsets)
        return True

    def settle(self, decided: Mapping[str, int]) -> None:
        """All records of these topics below these offsets are decided and their decisions acknowledged."""
        if self._standing:
            standing = self._standing.items()
            self._standing = {key: offset for key, offset in standing if key[1].offset >= decided[key[1].topic]}

    @property
    def resume_at(self) -> int:
        return min(self._standing.values(), default=self.read_to)
