"""Which items of the catalog may be placed."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.messages.fields import Item, Label


class Candidates(Struct, frozen=True):
    """Which catalog items may be placed: all that match every filter that is set.

    An empty list sets no filter.  Where more than `limit` match, the best by
    prior mean are kept, and `reserve` places go to the newest items.
    """

    items: Annotated[list[Item], Meta(max_length=10_000)] = []
    categories: Annotated[list[Label], Meta(max_length=256)] = []
    brands: Annotated[list[Label], Meta(max_length=256)] = []
    tags: Annotated[list[Label], Meta(max_length=256)] = []
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 2_000
    reserve: Annotated[int, Meta(ge=0, le=10_000)] = 100
