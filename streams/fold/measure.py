"""What a measure and an array of measures are: keyed by what, how wide, and what an event adds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property

from schemas.topic import Topic


class Axis(Enum):
    """What rows, or columns, of an array stand for."""

    ITEM = auto()
    SLOT = auto()
    SHELF = auto()
    DELAY = auto()
    """Logarithmic bins of delays, see `delay_bin`."""
    UNIT = auto()
    """Bins of units, see `policy.assignment.unit_bin`."""


class Keying(Enum):
    """What the cells of an array are keyed by, as its axes; an array of two is in blocks of columns."""

    ITEM_SLOT = Axis.ITEM, Axis.SLOT
    """Item and slot: each that was seen for an event with a list of slots, else the event's own."""
    SLOT_SHELF = Axis.SLOT, Axis.SHELF
    """Slot and the shelf that it was part of, of events that say it."""
    ITEM_SHELF = Axis.ITEM, Axis.SHELF
    """Likewise item and shelf."""
    ITEM = (Axis.ITEM,)
    SLOT = (Axis.SLOT,)
    """Each slot whose visible time an event with a list of slots says."""
    DELAY = (Axis.DELAY,)
    """The event's delay."""
    UNIT = (Axis.UNIT,)
    """The event's unit; for whole pages."""

    @property
    def axes(self) -> tuple[Axis, ...]:
        """What rows stand for, and columns where there are any."""
        axes: tuple[Axis, ...] = self.value
        return axes

    @property
    def of_shelves(self) -> bool:
        """Whether events that name no shelf are left out."""
        return Axis.SHELF in self.axes


class Width(Enum):
    """How many bytes a number has in Redis, big-endian; it stays at its largest value."""

    COUNT = 4
    SUM = 8


class Amount(Enum):
    """What an event adds to its cell."""

    ONE = auto()
    MONEY = auto()
    """Its amount in minor units, at most `fold.amount_cap`."""
    MONEY_SQUARED = auto()
    REPEAT = auto()
    """One where its click had converted before."""
    CROSS_PRODUCT = auto()
    """What the square of all that its click brought grows by beyond the square of its own amount."""
    RETURN = auto()
    """One where it is a returned line; the next two are what that line was paid back."""
    RETURNED_MONEY = auto()
    RETURNED_SQUARED = auto()
    SIGNAL = auto()
    """One where it is a signal of the measure's kind."""
    VIA = auto()
    """One where its click converts now, and a signal of the kind came between."""
    NEW_VIEW = auto()
    """One where its page view is new on the partition lately; the next two likewise."""
    NEW_UNIT = auto()
    NEW_ORDER = auto()
    VISIBLE_MS = auto()
    """How long its slot was visible in milliseconds, at most `VISIBLE_CAP_MS`."""


STAGE_AMOUNTS = frozenset(
    {Amount.REPEAT, Amount.CROSS_PRODUCT, Amount.RETURN, Amount.RETURNED_MONEY, Amount.RETURNED_SQUARED}
    | {Amount.SIGNAL, Amount.VIA}
)
"""What most events of a topic do not add."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that events of a topic add to; `in_csv` says whether the CSV of counts has it.

    `kind` is the place of a kind of signal among those of the namespace, for measures that count one alone.
    """

    name: str
    topic: Topic
    amount: Amount = Amount.ONE
    in_csv: bool = False
    kind: int = -1


@dataclass(frozen=True, kw_only=True)
class Array:
    """Measures whose numbers are side by side in each cell of one array, in this order.

    `name` is a part of its key in Redis, `row` the kind of its lines in the canonical
    export.  `directories` are the arrays of names that give items, and slots, their rows.
    """

    name: str
    row: str
    keying: Keying
    width: Width
    measures: tuple[Measure, ...]
    directories: tuple[str, ...] = ()

    @cached_property
    def of_stages(self) -> bool:
        """Whether its measures count some of the events of their topic alone (`streams.fold.stages`)."""
        return any(measure.amount in STAGE_AMOUNTS for measure in self.measures)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of its measures."""
        return tuple(measure.name for measure in self.measures)
