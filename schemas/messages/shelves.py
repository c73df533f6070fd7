"""Shelves and rows of a page, as merchandisers declare them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.messages.candidates import Candidates
from schemas.messages.fields import MOST_SLOTS, Label, Row, Shelf, Slot

MOST_SHELVES = 64
MOST_ROWS = 64


class PageShelf(Struct, frozen=True):
    """A module of a page: a carousel, a grid, a banner."""

    name: Shelf
    kind: Annotated[
        Label, Meta(min_length=1, description="How its columns are looked at: shelves of one kind have this in common.")
    ] = "carousel"
    title: Annotated[Label, Meta(description="What visitors read above it.")] = ""
    candidates: Annotated[
        Candidates | None,
        Meta(description="Which items it may show, and which blocks of the page; left out: the items of the page."),
    ] = None
    least_columns: Annotated[
        int, Meta(ge=1, le=MOST_SLOTS, description="It stands in a row only with as many items as that.")
    ] = 1
    most_columns: Annotated[int, Meta(ge=1, le=MOST_SLOTS, description="It shows no more items than that.")] = (
        MOST_SLOTS
    )
    keeps: Annotated[bool, Meta(description="Whether it claims its best items before any other shelf.")] = False
    pinned: Annotated[
        str, Meta(max_length=60, description="The row in which it stands in every slate; empty: it may move.")
    ] = ""


class PageRow(Struct, frozen=True):
    """Slots side by side, in which one shelf stands: by their names, or as many as there are columns."""

    name: Row
    slots: Annotated[
        list[Slot],
        Meta(max_length=MOST_SLOTS, description="In rendered order; left out where `columns` is given."),
    ] = []
    columns: Annotated[
        int,
        Meta(ge=0, le=MOST_SLOTS, description="So many slots, named row.1, row.2 and so on; 0: `slots` has the names."),
    ] = 0
    shelves: Annotated[
        list[Shelf], Meta(max_length=MOST_SHELVES, description="Which shelves may stand there; empty: all.")
    ] = []

    def __post_init__(self) -> None:
        if bool(self.slots) is bool(self.columns):
            raise ValueError("Expected `slots` or `columns`, one of them")

    @property
    def slot_names(self) -> list[str]:
        """Its slots in rendered order."""
        return self.slots or column_names(self.name, self.columns)


def column_names(row: str, columns: int) -> list[str]:
    """The default names of the slots of a row, from left to right."""
    return [f"{row}.{column + 1}" for column in range(columns)]
