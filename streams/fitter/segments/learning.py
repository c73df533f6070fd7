"""What a fitter runs and writes that learns segments."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from schemas.topic import Topic
from schemas.topics import SEGMENTS, SEGMENTS_HISTORY, UNIT_SEGMENTS
from streams.fitter.segments.fitter import SegmentFitter, TitledCatalog
from streams.fitter.segments.reader import UnitReader
from streams.fitter.segments.unit_publisher import UnitPublisher
from streams.kafka.producer import LogProducer
from streams.metrics import Registry
from streams.page_settings import SegmentSettings
from streams.settings import FoldSettings, KafkaSettings

Task = Callable[[], Coroutine[Any, Any, None]]


def outputs_of(learned: SegmentSettings) -> tuple[Topic, ...]:
    """The topics that are written with these settings."""
    models = SEGMENTS, SEGMENTS_HISTORY
    return (*models, UNIT_SEGMENTS) if learned.publish_units else models


def segment_tasks(
    kafka: KafkaSettings,
    fold: FoldSettings,
    learned: SegmentSettings,
    catalog: TitledCatalog,
    log_producer: LogProducer,
    opened: AsyncExitStack,
    owns: Callable[[], bool],
    metrics: Registry,
) -> list[Task]:
    """What runs for ever while `owns` says that segments are this worker's; what it opens ends with `opened`."""
    units = UnitReader(kafka, fold, learned)
    opened.push_async_callback(units.close)
    tastes = SegmentFitter(kafka, learned, catalog, units, log_producer, metrics)
    tastes.owns = owns
    if not learned.publish_units:
        return [tastes.follow, tastes.fit]
    publisher = UnitPublisher(kafka, catalog.segment_model, units, log_producer, metrics)
    publisher.owns = owns
    return [tastes.follow, tastes.fit, publisher.follow]
