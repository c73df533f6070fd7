"""What became of an export: events by kind, rows that were left out and why, and what to do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from reshelf.dialects.action import LeftOut
from reshelf.dialects.entry import Mapped
from reshelf.feeds import FeedReport
from reshelf.numbers import number


@dataclass(slots=True)
class EventReport(FeedReport):
    """Counts of an export.

    `rows` became events (`items` of them), or are in `left_out` by their one reason.  `dropped` has parts of
    rows that became events without them.  `steps` says what to do about a reason.
    """

    rows: int = 0
    events: Counter[str] = field(default_factory=Counter)
    steps: dict[str, str] = field(default_factory=dict)

    def add(self, mapped: Mapped, where: str) -> None:
        """A row became events."""
        self.rows += 1
        for source, event in mapped.events:
            kind = f"{type(event).__name__.lower()}s"
            self.items += 1
            self.events[kind] += 1
            self.map(source, kind)
        for part in mapped.left_out:
            self._explain(self._count(self.dropped, part.reason), part, where)
        for how in mapped.changed:
            self.change(how)

    def add_left_out(self, error: LeftOut, where: str) -> None:
        """A row became no event."""
        self.rows += 1
        self._explain(self._count(self.left_out, error.reason), error, where)

    def _explain(self, reason: str, error: LeftOut, where: str) -> None:
        self.examples.setdefault(reason, f"{where}: {error.detail}" if error.detail else where)
        if error.step:
            self.steps.setdefault(reason, error.step)

    def as_json(self) -> dict[str, Any]:
        """All counts."""
        content = FeedReport.as_json(self)
        del content["items"]
        return {"rows": self.rows, "events": dict(self.events), **content, "next": self.steps}

    def lines(self) -> list[str]:
        """The same for people."""
        said = [f"{number(self.rows)} rows"]
        said += [f"  {name}: {number(count)}" for name, count in self.mapped.most_common()]
        for how, count in self.changed.most_common():
            said.append(f"changed: {number(count)} {how}")
        for title, counts in ("left out", self.left_out), ("left out of their rows", self.dropped):
            for reason, count in counts.most_common():
                said.append(f"{title}: {number(count)} {reason}; the first: {self.examples[reason]}")
                if step := self.steps.get(reason):
                    said.append(f"  next: {step}")
        return said
