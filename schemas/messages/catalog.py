"""Items as the catalog team writes them, and the vectors of their texts."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.messages.fields import (
    Amount,
    Currency,
    Family,
    Item,
    Label,
    Millis,
    Picture,
    Share,
    Text,
)


class CatalogItem(Struct, frozen=True):
    """An item as the catalog team writes it; a null value deletes it."""

    item: Item
    title: Label
    description: Text = ""
    category: Label = ""
    brand: Label = ""
    price: Amount = 0
    currency: Currency = "EUR"
    available: bool = True
    created_at: Millis = 0
    tags: Annotated[list[Label], Meta(max_length=64)] = []
    attributes: Annotated[dict[Label, Label], Meta(max_length=64)] = {}
    margin: Annotated[Share, Meta(description="Part of the price that the shop earns by a sale.")] = 1.0
    available_from: Annotated[Millis, Meta(description="May be shown from then on; 0: always.")] = 0
    available_until: Annotated[Millis, Meta(description="May be shown until then; 0: for ever.")] = 0
    complements: Annotated[list[Item], Meta(max_length=64, description="Items that go with this one.")] = []
    image: Picture = ""
    family: Family = ""


class PictureEmbedding(Struct, frozen=True):
    """An item's picture as a vector: `scale` times `numbers`, whole numbers of 8 bits with a sign.

    `content_hash` says of which picture, and `image` is a hash of where it was.
    """

    model: Label
    content_hash: Label
    image: Label
    numbers: Annotated[bytes, Meta(min_length=1, max_length=4096)]
    revision: Label = ""
    scale: Annotated[float, Meta(gt=0.0, le=1e9)] = 1.0


class CatalogEmbedding(Struct, frozen=True):
    """An item's text as a vector, and its picture where it has one; `content_hash` says of which text.

    The vector is `scale` times the numbers in `vector`.  Vectors can be compared
    where `model` and `revision` are the same.
    """

    item: Item
    model: Label
    content_hash: Label
    vector: Annotated[list[float], Meta(min_length=1, max_length=4096)]
    revision: Label = ""
    scale: Annotated[float, Meta(gt=0.0, le=1e9)] = 1.0
    picture: Annotated[PictureEmbedding | UnsetType, Meta(description="Absent without one that can be had.")] = UNSET
