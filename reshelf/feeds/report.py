"""What became of a feed: mapped, dropped, left out and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from reshelf.numbers import number

MOST_NAMES = 200
"""Distinct names of columns and elements that are counted by name."""
SHOWN = 8


@dataclass(slots=True)
class FeedReport:
    """Counts of a feed.

    `mapped` and `dropped` count values by field and by source name; `left_out` counts products by
    reason, with the first of each in `examples`; `changed` counts values that were altered, by how.
    """

    items: int = 0
    mapped: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def map(self, source: str, target: str) -> None:
        """A value of the source became a field of the item."""
        self._count(self.mapped, f"{source} → {target}")

    def drop(self, source: str) -> None:
        """A value of the source has no place in an item."""
        self._count(self.dropped, source)

    def change(self, how: str) -> None:
        """A value did not fit as it was."""
        self._count(self.changed, how)

    def leave_out(self, reason: str, where: str) -> None:
        """A product is left out."""
        self.examples.setdefault(self._count(self.left_out, reason), where)

    def as_json(self) -> dict[str, Any]:
        """All counts."""
        return {
            "items": self.items,
            "mapped": dict(self.mapped),
            "dropped": dict(self.dropped),
            "changed": dict(self.changed),
            "left_out": dict(self.left_out),
            "examples": self.examples,
        }

    def lines(self) -> list[str]:
        """The same for people."""
        said = []
        for title, counts in ("mapped", self.mapped), ("dropped", self.dropped), ("changed", self.changed):
            if counts:
                more = f", and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
                said.append(
                    f"{title}: {', '.join(f'{name} ({number(n)})' for name, n in counts.most_common(SHOWN))}{more}"
                )
        for reason, count in self.left_out.most_common():
            said.append(f"left out: {number(count)} {reason}; the first: {self.examples[reason]}")
        return said

    @staticmethod
    def _count(counts: Counter[str], name: str) -> str:
        """Count one more; returns the name under which it is counted."""
        name = name if name in counts or len(counts) < MOST_NAMES else "others"
        counts[name] += 1
        return name
