"""What is counted: one row per measure, and the arrays in Redis that hold them.

Every array is kept for each page, segment, time bucket and traffic (learned,
holdout, fallback); experiment bins for whole pages alone.  The event's topic says
which time decides the bucket.  An array goes when its bucket expires, by the time
of the log.  Deltas, the operations of the apply script, tables, the reader, expiry
and the canonical export follow from these rows; `streams.fold.plain` says the same
once more, on purpose, for tests to compare with.

A new measure gets a new array, which leaves the bytes of the others as they are; one
more in an array that is there moves its cells.  A namespace does not hold what was
not counted when it was folded: for a new measure of a topic that is there `FOLD_VERSION` of
the manifest goes up, unless it counts a new field, which no event had before.  A new topic that
came later is counted from where a namespace was extended by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from schemas.messages.events import Click, Conversion, Credit, Impression
from schemas.messages.fields import MOST_KINDS
from schemas.topic import Topic
from schemas.topics import CLICKS, CONVERSIONS, CREDITS, DAY_MS, IMPRESSIONS
from streams.fold.measure import Amount, Array, Axis, Keying, Measure, Width
from streams.settings import FoldSettings

DELAY_BINS = 32
BACKUP_MS = 7 * DAY_MS
KINDS = range(MOST_KINDS)
"""The places of kinds of signals."""
BLOCK = 4
"""Columns in one block of an array of two axes."""
VISIBLE_CAP_MS = 60_000
"""The most that a slot's visible time counts as (ms): nobody looks at one slot for the hour that a tab is left open."""
Event = Impression | Click | Conversion | Credit


CELLS = Array(
    name="cells",
    row="cell",
    keying=Keying.ITEM_SLOT,
    width=Width.COUNT,
    directories=("items", "slots"),
    measures=(
        Measure("impressions", IMPRESSIONS, in_csv=True),
        Measure("clicks", CLICKS, in_csv=True),
    ),
)
"""The compiled fold counts the first of its measures."""
SALES = Array(
    name="sales",
    row="sale",
    keying=Keying.ITEM,
    width=Width.SUM,
    directories=("sold",),
    measures=(
        Measure("conversions", CONVERSIONS, in_csv=True),
        Measure("revenue", CONVERSIONS, Amount.MONEY, in_csv=True),
        Measure("squares", CONVERSIONS, Amount.MONEY_SQUARED),
    ),
)
DELAYS = Array(
    name="delays",
    row="delay",
    keying=Keying.DELAY,
    width=Width.COUNT,
    measures=(Measure("delays", CONVERSIONS),),
)
FOLLOWED = Array(
    name="followed",
    row="followed",
    keying=Keying.ITEM,
    width=Width.SUM,
    directories=("sold",),
    measures=(
        Measure("repeats", CONVERSIONS, Amount.REPEAT, in_csv=True),
        Measure("cross_products", CONVERSIONS, Amount.CROSS_PRODUCT),
        Measure("returns", CREDITS, Amount.RETURN, in_csv=True),
        Measure("returned", CREDITS, Amount.RETURNED_MONEY, in_csv=True),
        Measure("returned_squares", CREDITS, Amount.RETURNED_SQUARED),
        *(Measure(f"signals_{kind}", CREDITS, Amount.SIGNAL, kind=kind) for kind in KINDS),
        *(Measure(f"via_{kind}", CONVERSIONS, Amount.VIA, kind=kind) for kind in KINDS),
    ),
)
"""What followed clicks beside their conversions, with signals by the places of their kinds."""
STAGE_DELAYS = Array(
    name="stages",
    row="stage_delay",
    keying=Keying.DELAY,
    width=Width.COUNT,
    measures=(
        Measure("return_delays", CREDITS, Amount.RETURN),
        *(Measure(f"signal_delays_{kind}", CREDITS, Amount.SIGNAL, kind=kind) for kind in KINDS),
        *(Measure(f"via_delays_{kind}", CONVERSIONS, Amount.VIA, kind=kind) for kind in KINDS),
    ),
)
"""From orders to returns, from clicks to signals, and from signals to orders."""
VISIBLE = Array(
    name="visible",
    row="visible",
    keying=Keying.SLOT,
    width=Width.SUM,
    directories=("slots",),
    measures=(
        Measure("timed", IMPRESSIONS),
        Measure("visible_ms", IMPRESSIONS, Amount.VISIBLE_MS),
    ),
)
"""Impressions that say how long their slot was visible, and for how long; the compiled fold counts them, too."""
STANDS = Array(
    name="stands",
    row="stand",
    keying=Keying.SLOT_SHELF,
    width=Width.COUNT,
    directories=("slots", "shelves"),
    measures=(
        Measure("shelf_impressions", IMPRESSIONS),
        Measure("shelf_clicks", CLICKS),
    ),
)
"""Which shelf slots were part of."""
PLACED = Array(
    name="placed",
    row="placed",
    keying=Keying.ITEM_SHELF,
    width=Width.COUNT,
    directories=("items", "shelves"),
    measures=(Measure("placed", IMPRESSIONS),),
)
"""Which shelf items were shown in."""
SHELF_SALES = Array(
    name="shelfsales",
    row="shelf_sale",
    keying=Keying.SLOT_SHELF,
    width=Width.SUM,
    directories=("slots", "shelves"),
    measures=(
        Measure("shelf_conversions", CONVERSIONS),
        Measure("shelf_revenue", CONVERSIONS, Amount.MONEY),
    ),
)
BINS = Array(
    name="bins",
    row="bin",
    keying=Keying.UNIT,
    width=Width.SUM,
    measures=(
        Measure("page_views", IMPRESSIONS, Amount.NEW_VIEW),
        Measure("units", IMPRESSIONS, Amount.NEW_UNIT),
        Measure("clicks", CLICKS),
        Measure("orders", CONVERSIONS, Amount.NEW_ORDER),
        Measure("revenue", CONVERSIONS, Amount.MONEY),
    ),
)
"""The experiment's: learned layouts against the holdout."""
RETURN_BINS = Array(
    name="returnbins",
    row="return_bin",
    keying=Keying.UNIT,
    width=Width.SUM,
    measures=(Measure("returned", CREDITS, Amount.RETURNED_MONEY),),
)
"""What of the experiment's revenue went back."""

TABLE_ARRAYS: tuple[Array, ...] = (
    *(CELLS, SALES, DELAYS, FOLLOWED, STAGE_DELAYS, VISIBLE),
    *(STANDS, PLACED, SHELF_SALES),
)
"""A new one comes last: packed values have their measures in this order."""
UNIT_ARRAYS: tuple[Array, ...] = (BINS, RETURN_BINS)
ARRAYS: tuple[Array, ...] = (*TABLE_ARRAYS, *UNIT_ARRAYS)
UNIT_MEASURES: tuple[Measure, ...] = tuple(measure for array in UNIT_ARRAYS for measure in array.measures)
BLOCKED: tuple[Array, ...] = tuple(array for array in TABLE_ARRAYS if len(array.keying.axes) > 1)
DIRECTORIES: tuple[str, ...] = tuple(dict.fromkeys(name for array in TABLE_ARRAYS for name in array.directories))
ITEM_DIRECTORIES: tuple[str, ...] = tuple(
    dict.fromkeys(array.directories[0] for array in TABLE_ARRAYS if array.keying.axes[0] is Axis.ITEM)
)
"""Those of items."""
PACKED = "packed"
"""The key of what merges have put into a table, all of it in one value (`streams.state.arrays.packed_value`)."""
PARTS: tuple[str, ...] = (PACKED, *DIRECTORIES, *(array.name for array in TABLE_ARRAYS if array not in BLOCKED))
"""The keys of a table that do not depend on how many slots and shelves it has."""


def blocks_for(columns: int) -> int:
    """How many blocks an array has in so many columns."""
    return -(-columns // BLOCK)


class Blocks(NamedTuple):
    """How many blocks each array of a table has that is in blocks: by slots, and by shelves."""

    slots: int = 0
    shelves: int = 0

    @classmethod
    def of(cls, slots: int, shelves: int) -> Blocks:
        """Those of a table with so many slots and shelves."""
        return cls(blocks_for(slots), blocks_for(shelves))

    def names(self, beyond: Blocks | None = None) -> Iterator[str]:
        """The names of these blocks but for those of `beyond`."""
        start = beyond or Blocks()
        for array in BLOCKED:
            column = 0 if array.keying.axes[1] is Axis.SLOT else 1
            yield from (f"{array.name}{at}" for at in range(start[column], self[column]))

    def with_those_of(self, other: Blocks) -> Blocks:
        """As many of each as either has."""
        return Blocks(max(self.slots, other.slots), max(self.shelves, other.shelves))


def amounts_of(topic: Topic, arrays: Iterable[Array] = ARRAYS) -> frozenset[Amount]:
    """What events of a topic add, in any of these arrays."""
    return frozenset(measure.amount for array in arrays for measure in array.measures if measure.topic is topic)


def open_ms(topic: Topic, fold: FoldSettings) -> int:
    """How long after its start a time bucket may still take records of a topic in, by the log's time; 0: for ever.

    Beyond the lateness that is allowed there is a week, so that a part of the state that comes
    back from a backup is folded by the same names again.
    """
    if not fold.bucket_ms:
        return 0
    late_ms = fold.allowed_lateness_ms if topic.refuses_late else 0
    return fold.bucket_ms + (min(late_ms + BACKUP_MS, fold.bucket_ttl_ms) if late_ms else fold.bucket_ttl_ms)


def counts_money(topic: Topic) -> bool:
    """Whether amounts of money are added up, which must be in one currency then."""
    return not amounts_of(topic).isdisjoint((Amount.MONEY, Amount.RETURNED_MONEY))


def delay_bin(delay_ms: int) -> int:
    """Logarithmic bin of a delay: 0 below a second, then one for each doubling, 31 for all beyond."""
    return min(DELAY_BINS - 1, (delay_ms // 1_000).bit_length())
