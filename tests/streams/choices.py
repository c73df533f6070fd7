"""Many small choices of one string of bytes that Hypothesis draws.

Each draw of Hypothesis's own costs more than the fold of a record, and a record has twenty choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """A byte for each choice; the smaller it is the earlier among the options, so examples shrink as they always do."""

    def __init__(self, drawn: bytes) -> None:
        self._bytes = iter(drawn)

    def among(self, options: Sequence[T]) -> T:
        """One of at most 256 options; raises StopIteration where there are more choices than bytes."""
        return options[next(self._bytes) % len(options)]
