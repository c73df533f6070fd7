"""Which items' pictures are due, fetched in the background of the encoder worker.

A picture is due when its item names another one, when its vector is of another model, or when it
is older than `max_age_s`.  Texts never wait for pictures: what is fetched comes when it comes.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from encoders.pictures.refusal import Refused
from encoders.pictures.source import Picture, PictureSource

FETCHERS = 16
RETRY_S = 900.0
"""A picture that could not be had is asked for again after so long, and then after twice as long, and so on."""
LONGEST_RETRY_S = 86_400.0


class Fetched(NamedTuple):
    """A picture that came for an item, as it was named then."""

    item: str
    image: str
    picture: Picture


@dataclass(slots=True)
class PictureCounts:
    """What became of pictures since the worker started; `refused` by reason."""

    encoded: int = 0
    unchanged: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    lacking: int = 0


class PictureLane:
    """The pictures that items name, at most `per_s` of them fetched in a second."""

    def __init__(
        self,
        source: PictureSource,
        per_s: float,
        max_age_s: float,
        clock: Callable[[], float] = time.monotonic,
        pool: ThreadPoolExecutor | None = None,
    ) -> None:
        self.counts = PictureCounts()
        self._source, self._per_s, self._max_age_s, self._clock = source, per_s, max_age_s, clock
        self._pool = pool or ThreadPoolExecutor(FETCHERS, "fetch")
        self._images: dict[str, str] = {}
        self._new: dict[str, None] = {}
        self._again: list[tuple[float, str, str]] = []
        self._running: dict[Future[Picture], tuple[str, str]] = {}
        self._failures: dict[str, int] = {}
        self._allowed, self._looked = 0.0, clock()

    @property
    def waiting(self) -> int:
        """Pictures that were named and not yet fetched, or refused, for the first time."""
        return len(self._new) + len(self._running)

    def name(self, item: str, image: str, published: str) -> bool:
        """Take over where an item's picture is, "" for none; whether that is news.

        `published` is a hash of where the picture of its vector was.
        """
        if image == self._images.get(item, ""):
            return False
        self._new.pop(item, None)
        self._settle(item)
        if not image:
            self._images.pop(item, None)
            return True
        self._images[item] = image
        if place_hash(image) == published:
            self._ask_again(item, self._max_age_s)
        else:
            self._new[item] = None
        return True

    def image(self, item: str) -> str:
        """Where the item's picture is, "" for none."""
        return self._images.get(item, "")

    def renew(self, item: str) -> None:
        """Its vector is of another model."""
        if item in self._images:
            self._new[item] = None

    def fetched(self, most: int) -> list[Fetched]:
        """The pictures that came, at most `most`; asks for further ones."""
        self._start(2 * most)
        done = [future for future in self._running if future.done()][:most]
        came = []
        for future in done:
            item, image = self._running.pop(future)
            if self._images.get(item) != image:
                continue
            try:
                picture = future.result()
            except Refused as error:
                self.refuse(item, error)
            else:
                came.append(Fetched(item, image, picture))
        return came

    def done(self, item: str, encoded: bool) -> None:
        """Its vector is that of its picture: just encoded, or still."""
        self._settle(item)
        self.counts.encoded += encoded
        self.counts.unchanged += not encoded
        self._ask_again(item, self._max_age_s)

    def refuse(self, item: str, error: Refused) -> None:
        """It goes on with what it has, and is asked for again later."""
        self.counts.refused[error.reason] += 1
        before = self._failures.get(item, 0)
        self._failures[item] = before + 1
        self.counts.lacking = len(self._failures)
        self._ask_again(item, min(RETRY_S * 2.0 ** min(before, 10), LONGEST_RETRY_S))

    def _settle(self, item: str) -> None:
        self._failures.pop(item, None)
        self.counts.lacking = len(self._failures)

    def _ask_again(self, item: str, after_s: float) -> None:
        heapq.heappush(self._again, (self._clock() + after_s, item, self._images[item]))

    def _start(self, most: int) -> None:
        now = self._clock()
        while self._again and self._again[0][0] <= now:
            _, item, image = heapq.heappop(self._again)
            if self._images.get(item) == image:
                self._new.setdefault(item)
        self._allowed = min(self._allowed + (now - self._looked) * self._per_s, max(self._per_s, 1.0))
        self._looked = now
        count = min(most - len(self._running), int(self._allowed), len(self._new))
        for item in list(self._new)[: max(count, 0)]:
            del self._new[item]
            self._allowed -= 1
            image = self._images[item]
            self._running[self._pool.submit(self._source.get, image)] = item, image


def place_hash(image: str) -> str:
    """96 bits of SHA-256 over where a picture is, in hexadecimal."""
    return sha256(image.encode(errors="surrogatepass")).hexdigest()[:24]
