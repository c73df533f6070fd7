"""The order in which rules give way: the only place that says it, besides a copy in C that a test holds equal.

Where a slot has no arm left, filling it is tried again with one kind of constraint less, from
the first here to the last: level 0 is with all of them, level 1 without the first, and so on.
"""

from __future__ import annotations

from enum import IntEnum


class Relaxation(IntEnum):
    """Constraints by the level from which they do not hold any more; at lower levels they do."""

    SPACING = 1
    CAP = 2
    EXPOSURE = 3
    PLACEMENT = 4


LEVELS = range(len(Relaxation) + 1)
"""From all constraints to none of those that give way."""
