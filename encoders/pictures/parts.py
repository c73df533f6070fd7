"""The vectors that items have, as they are published: of text and picture, each made when its time has come.

A record of catalog-embeddings holds both, so that the one that did not change is sent again with the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec import UNSET, UnsetType

from encoders.pictures.encoder import PictureEncoder
from encoders.pictures.lane import Fetched, PictureLane, place_hash
from encoders.wire import picture_embedding
from schemas.messages.catalog import CatalogEmbedding, CatalogItem, PictureEmbedding


class _Text(NamedTuple):
    """A text's part of a record; `numbers` are of `dtype`."""

    model: str
    content_hash: str
    revision: str
    scale: float
    numbers: bytes
    dtype: str


class PictureParts:
    """The pictures' side of the encoder worker: what is due, and what each item has."""

    def __init__(self, encoder: PictureEncoder, lane: PictureLane) -> None:
        self.lane, self._encoder = lane, encoder
        self._texts: dict[str, _Text] = {}
        self._pictures: dict[str, PictureEmbedding] = {}

    def take_record(self, item: str, record: CatalogEmbedding | None) -> None:
        """Take over what catalog-embeddings says of an item; None where it has no vector."""
        self._texts.pop(item, None)
        self._pictures.pop(item, None)
        if record is not None:
            self._texts[item] = _text_of(record)
            if record.picture is not UNSET:
                self._pictures[item] = record.picture

    def take_item(self, item: str, content: CatalogItem | None) -> CatalogEmbedding | None:
        """Take over what the catalog says of an item; a record to publish where its picture is gone."""
        had = self._pictures.get(item)
        image = "" if content is None else content.image
        news = self.lane.name(item, image, had.image if had else "")
        model = self._encoder.model
        if news and had and (had.model, had.revision) != (model.name, model.revision):
            self.lane.renew(item)
        if content is None:
            self.take_record(item, None)
        elif had and place_hash(image) != had.image:
            # What stands for another picture says nothing of this one.
            del self._pictures[item]
            return self.record(item)
        return None

    def take_text(self, record: CatalogEmbedding) -> None:
        """Take over a text's vector that was just made."""
        self._texts[record.item] = _text_of(record)

    def drop_text(self, item: str) -> None:
        """The text was refused, so that the item has no record."""
        self._texts.pop(item, None)

    def picture(self, item: str) -> PictureEmbedding | UnsetType:
        """The picture's part of an item's record."""
        return self._pictures.get(item, UNSET)

    def step(self, most: int) -> list[CatalogEmbedding]:
        """Encode pictures that came, at most `most`; the records to publish, of items whose text has a vector."""
        came = self.lane.fetched(most)
        new = [fetched for fetched in came if not self._has(fetched)]
        for fetched in came:
            if self._has(fetched):
                self.lane.done(fetched.item, encoded=False)
        return self._encode(new) if new else []

    def _has(self, came: Fetched) -> bool:
        had, model = self._pictures.get(came.item), self._encoder.model
        return had is not None and (had.model, had.revision, had.content_hash, had.image) == (
            model.name, model.revision, came.picture.content_hash, place_hash(came.image),
        )  # fmt: skip

    def _encode(self, came: Sequence[Fetched]) -> list[CatalogEmbedding]:
        result = self._encoder.encode([fetched.picture.content for fetched in came])
        model, records = self._encoder.model, []
        for row, fetched in enumerate(came):
            if row in result.failed:
                self.lane.refuse(fetched.item, result.failed[row])
                continue
            of = model.name, model.revision, fetched.picture.content_hash, place_hash(fetched.image)
            self._pictures[fetched.item] = picture_embedding(*of, result.vectors[row])
            self.lane.done(fetched.item, encoded=True)
            records.append(self.record(fetched.item))
        return [record for record in records if record is not None]

    def record(self, item: str) -> CatalogEmbedding | None:
        """What is published of an item; None without a text's vector."""
        text = self._texts.get(item)
        if text is None:
            return None
        numbers = np.frombuffer(text.numbers, dtype=text.dtype).tolist()
        return CatalogEmbedding(
            item, text.model, text.content_hash, numbers, text.revision, text.scale, self.picture(item)
        )


def _text_of(record: CatalogEmbedding) -> _Text:
    numbers = np.array(record.vector, dtype=np.float64)
    whole = bool((numbers == np.rint(numbers)).all() and np.abs(numbers).max() <= 127)
    packed = numbers.astype(np.int8 if whole else np.float64)
    return _Text(record.model, record.content_hash, record.revision, record.scale, packed.tobytes(), packed.dtype.str)
