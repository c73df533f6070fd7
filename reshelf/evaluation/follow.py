"""The same estimates while events flow: page views are counted once they have settled, and never read again.

A page view has settled when its outcomes had time to come, by the time of the log.
What is kept of those that have is what they add to the estimators' evidence, and to the sums by item and slot that
models are fitted to; the rest waits in memory.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, Message

from reshelf.evaluation.evaluate import above, clustered, recorded, refusal_of_shelves
from reshelf.evaluation.join import View, join
from reshelf.evaluation.page_values import GrowingPage
from schemas.codec import decoder
from schemas.errors import BadRecord
from schemas.messages.events import Conversion, Credit
from schemas.messages.layouts import Layout
from schemas.topic import Topic
from schemas.topics import (
    BY_NAME,
    CATALOG_EMBEDDINGS,
    CATALOG_ITEMS,
    DAY_MS,
    FOLDED_TOPICS,
    LAYOUTS_HISTORY,
    POLICY_PARAMETERS,
)
from streams.catalog.view import CatalogView
from streams.fold.judge import Judge
from streams.kafka.broker_time import BrokerTime
from streams.kafka.reader import BATCH, Read, partitions, read_of, reader
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings, KafkaSettings

BY_CLICK = (Conversion, Credit)
"""Events that name their click alone."""
DESCRIBING = (CATALOG_ITEMS, CATALOG_EMBEDDINGS, POLICY_PARAMETERS)
FOLLOWED = (LAYOUTS_HISTORY, *DESCRIBING, *FOLDED_TOPICS)
ANSWERED = ("views", "items", "clusters", "after_alike", "served", "estimates")
"""What is said of each page: how many layouts it had is forgotten with them."""
PageView = tuple[str, str]
"""Page, and the view's own name."""


class GrowingPages(dict[str, GrowingPage]):
    """Pages by name, each there when it is asked for."""

    def __init__(self, catalog: CatalogView) -> None:
        super().__init__()
        self._catalog = catalog

    def __missing__(self, page: str) -> GrowingPage:
        self[page] = GrowingPage(partial(clustered, self._catalog), partial(above, self._catalog, page))
        return self[page]


class Running:
    """What is known of a policy of the history so far, by page, and the events that have not settled."""

    def __init__(self, policy: str, fold: FoldSettings, settle_ms: int, epoch_ms: int = DAY_MS) -> None:
        self.catalog = CatalogView()
        self.pages = GrowingPages(self.catalog)
        self.refused: dict[str, str] = {}
        self._policy = policy
        self._fold = fold
        self._settle = settle_ms
        self._epoch = epoch_ms
        self._judges: dict[TopicPartition, Judge] = {}
        self._layouts: dict[tuple[str, str, int], Layout] = {}
        self._shown: dict[tuple[str, str], int] = {}
        self._events: list[Any] = []
        self._counted: dict[PageView, int] = {}
        self._decode = decoder(Layout)

    def take(self, topic: Topic, partition: int, records: Sequence[Read]) -> None:
        """Take over records of one partition, which continue those before."""
        if topic in DESCRIBING:
            self.catalog.take(topic, partition, records)
            return
        if topic is LAYOUTS_HISTORY:
            self._take_layouts(records)
            return
        tp = TopicPartition(topic.name, partition)
        if tp not in self._judges:
            self._judges[tp] = Judge(topic, self._fold, built=False)
        self._events += [entry.event for entry in self._judges[tp].judge(records).accepted]

    def _take_layouts(self, records: Iterable[Read]) -> None:
        for record in records:
            with contextlib.suppress(BadRecord):
                layout = self._decode(record.value or b"")
                self._layouts[layout.page, layout.segment, layout.version] = layout

    def settle(self, reached_ms: int) -> bool:
        """Count the page views that have settled, and say whether there were any.

        Every topic has been read to `reached_ms`.  A page view is counted with all that
        is known of it; what comes of it later, within as long again, is left out.
        """
        before = reached_ms - self._settle
        waiting = self._uncounted()
        settled = [
            view
            for view in join(waiting, self._layouts.values(), self._fold.amount_cap).views
            if view.occurred_at < before
        ]
        self._counted |= {(view.layout.page, view.view): before for view in settled}
        for view in settled:
            key = view.layout.page, view.layout.segment
            self._shown[key] = max(view.layout.version, self._shown.get(key, 0))
        self._events = [event for event in self._uncounted() if _time(event) >= before]
        self._forget(before)
        by_page: dict[str, list[View]] = {}
        for view in settled:
            by_page.setdefault(view.layout.page, []).append(view)
        for page, views in by_page.items():
            self._count(page, views)
        return bool(settled)

    def _uncounted(self) -> list[Any]:
        """The events whose page view was not counted; conversions and credits name none and go by their click."""
        return [
            event
            for event in self._events
            if type(event) in BY_CLICK or (event.page, event.page_view_id) not in self._counted
        ]

    def _forget(self, before: int) -> None:
        """Layouts of which nothing is shown any more, and views counted a span before.

        One may stand for long after it would have expired: until a newer one is shown, but no longer than an epoch.
        The newest of the history is not always that: it may never have come to the renderers.
        """
        self._layouts = {
            key: layout
            for key, layout in self._layouts.items()
            if layout.expires_at >= before
            or (layout.version >= self._shown.get(key[:2], 0) and layout.expires_at + self._epoch >= before)
        }
        self._counted = {view: at for view, at in self._counted.items() if at >= before - self._settle}

    def _count(self, page: str, views: Sequence[View]) -> None:
        views = [view for view in views if self._policy != "shadow" or view.layout.shadow]
        if any(view.layout.has_shelves for view in views):
            self.refused[page] = refusal_of_shelves(page)
            self.pages.pop(page, None)
        if views and page not in self.refused:
            self.pages[page].add(views, recorded(self._policy))

    def answer(self, level: float) -> dict[str, Any]:
        """The estimates so far, as JSON has them, with intervals that hold at all answers together."""
        answers = {page: growing.values.as_json(level, always_valid=True) for page, growing in self.pages.items()}
        pages = {page: {name: answer[name] for name in ANSWERED} for page, answer in answers.items()}
        return {"level": level, "always_valid": True, "refused": self.refused, "pages": pages}


def _time(event: Any) -> int:
    """When an event's page view is settled by: conversions and credits belong to their click."""
    return int(event.clicked_at if type(event) in BY_CLICK else event.occurred_at)


class Progress:
    """How far all partitions have been read together, in the time of the log."""

    def __init__(self, places: Iterable[TopicPartition], steady: Callable[[], float] = time.monotonic) -> None:
        self._reached: dict[TopicPartition, float] = dict.fromkeys(places, -math.inf)
        self._brokers = BrokerTime(steady)

    def read(self, tp: TopicPartition, append_time: int) -> None:
        """A record of this time was read."""
        self._reached[tp] = append_time
        self._brokers.read(append_time)

    def ended(self, tp: TopicPartition) -> None:
        """The partition was read to its end."""
        self._reached[tp] = math.inf

    def at(self) -> int | None:
        """The time that every partition has been read to; the brokers' where all ended, None where it is not known."""
        least = min(self._reached.values())
        if least == -math.inf:
            return None
        return self._brokers.at_least() if least == math.inf else int(least)


def follow(kafka: KafkaSettings, running: Running, interval_s: float) -> Iterator[Running]:
    """Read from the beginning and on without end; yields after each time that page views settled."""
    with reader(kafka) as consumer:
        places = [place for topic in FOLLOWED for place in partitions(consumer, kafka.prefix + topic.name)]
        consumer.assign(places)
        progress = Progress(_place(kafka, place.topic, place.partition) for place in places)
        due = time.monotonic() + interval_s
        while True:
            _take(kafka, running, progress, consumer.consume(BATCH, timeout=0.2))
            reached = progress.at() if time.monotonic() >= due else None
            if reached is not None:
                due = time.monotonic() + interval_s
                if running.settle(reached):
                    yield running


def _take(kafka: KafkaSettings, running: Running, progress: Progress, messages: Sequence[Message]) -> None:
    batches: dict[TopicPartition, list[Read]] = {}
    for message in messages:
        tp, error = _place(kafka, message.topic() or "", message.partition() or 0), message.error()
        if error is None:
            record = read_of(message)
            batches.setdefault(tp, []).append(record)
            progress.read(tp, record.timestamp)
        elif error.code() == KafkaError._PARTITION_EOF:
            progress.ended(tp)
    for tp, records in batches.items():
        running.take(BY_NAME[tp.topic], tp.partition, records)


def _place(kafka: KafkaSettings, topic: str, partition: int) -> TopicPartition:
    return TopicPartition(topic.removeprefix(kafka.prefix), partition)
