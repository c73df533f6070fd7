"""What the demonstration's visitors did, counted."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """What the traffic did so far; `positions` are the next offsets of the clicks' partitions."""

    events: int = 0
    views: int = 0
    signals: int = 0
    returns: int = 0
    layouts: int = 0
    dead_letters: int = 0
    failed: int = 0
    catalog_changes: int = 0
    positions: dict[int, int] = field(default_factory=dict)
    reflected: dict[int, int] = field(default_factory=dict)

    @property
    def lag(self) -> int:
        """Clicks that no layout reflects yet."""
        return sum(max(0, end - self.reflected.get(number, 0)) for number, end in self.positions.items())
