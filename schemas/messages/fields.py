"""The kinds of values that messages share, with their limits."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

BASELINE = -1


FALLBACK = -2


MOST_SLATES = 256


MOST_SLOTS = 256
"""Of all rows of a page together."""


EventId = Annotated[str, Meta(min_length=1, max_length=128, description="Unique per event; the same on every retry.")]


Unit = Annotated[
    str, Meta(min_length=1, max_length=128, description="Sticky pseudonym of a visitor; the record's key.")
]


Page = Annotated[str, Meta(min_length=1, max_length=64, description="The page, as named in page-rules.")]


Segment = Annotated[
    str, Meta(min_length=1, max_length=64, description="The segment, as named by the web tier; '*' is the whole page.")
]


Slot = Annotated[str, Meta(min_length=1, max_length=64, description="An addressable place, unique on its page.")]


Row = Annotated[
    str,
    Meta(min_length=1, max_length=60, description="Slots side by side, where one shelf stands; unique on its page."),
]


SlotRow = Annotated[
    str,
    Meta(
        max_length=60, description="The row that the slot is in; left out where the slot's name is that, `.` and more."
    ),
]


Shelf = Annotated[
    str,
    Meta(min_length=1, max_length=64, description="A module of a page, such as a carousel or a grid; unique on it."),
]


ClickedShelf = Annotated[
    str,
    Meta(max_length=64, description="The shelf that stood in the slot's row; empty where the page has no rows."),
]


Item = Annotated[
    str, Meta(min_length=1, max_length=128, description="The arm: an item of the catalog or a content block.")
]


MOST_KINDS = 8


KIND_PATTERN = "^[a-z][a-z0-9]*(-[a-z0-9]+)*$"


RETURN = "return"


RESERVED_KINDS = ("click", "order", RETURN)


Family = Annotated[
    str, Meta(max_length=128, description="What variants of one product have in common, such as their parent; or none.")
]


SignalKind = Annotated[
    str,
    Meta(
        max_length=32,
        pattern=KIND_PATTERN,
        description="What a visitor did, such as add-to-cart, as fold.signals declares it.",
    ),
]


MOST_CONTEXT = 8


Context = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=32, description="What is said of the visit, such as device.")],
        Annotated[str, Meta(max_length=64)],
    ],
    Meta(
        max_length=MOST_CONTEXT,
        description="What is known of the visit before it begins, such as its device, country or channel. The value "
        "`no` of `consent` says that the visitor has not agreed to learned segments.",
    ),
]


VisibleMs = Annotated[
    int,
    Meta(ge=0, le=3_600_000, description="How long the slot was in view, in milliseconds; left out if not measured."),
]


PageView = Annotated[str, Meta(min_length=1, max_length=128, description="One rendering of a page for one visitor.")]


Millis = Annotated[int, Meta(ge=0, le=4_102_444_800_000, description="Milliseconds since 1970-01-01 UTC.")]


Version = Annotated[int, Meta(ge=0, le=2**53, description="Grows with every publication.")]


Variant = Annotated[
    int,
    Meta(
        ge=FALLBACK,
        le=255,
        description="0..V-1 a slate of the layout, -1 the holdout's baseline, -2 the renderer's own fallback.",
    ),
]


Amount = Annotated[int, Meta(ge=0, le=1_000_000_000_000, description="Money in minor units.")]


Quantity = Annotated[int, Meta(ge=1, le=1_000_000)]


LineNumber = Annotated[
    int,
    Meta(ge=0, le=100, description="Which of the order's lines of this item, from 1; 0: as they stand in the event."),
]


Delay = Annotated[int, Meta(ge=0, le=4_102_444_800_000)]


Currency = Annotated[str, Meta(min_length=3, max_length=3, pattern="^[A-Z]{3}$", description="ISO 4217 code.")]


Offset = Annotated[int, Meta(ge=0, le=2**53)]


Share = Annotated[float, Meta(ge=0.0, le=1.0)]


Weight = Annotated[float, Meta(ge=-100.0, le=100.0)]


NotNegative = Annotated[float, Meta(ge=0.0, le=1e15)]


Strength = Annotated[float, Meta(gt=0.0, le=1e9, description="Prior weight of a factor around 1, in expected clicks.")]


Doubt = Annotated[float, Meta(ge=0.0, le=1e6, description="Variance of what the weights say, logit scale.")]


TextWeights = Annotated[
    bytes, Meta(max_length=8_192, description="Little-endian float16, one for each dimension of a vector.")
]


Text = Annotated[str, Meta(max_length=10_000)]


Label = Annotated[str, Meta(max_length=256)]


Picture = Annotated[
    str,
    Meta(
        max_length=2_048,
        description="Where the item's picture is: an http or https URL, or a path below pictures.folder.",
    ),
]
