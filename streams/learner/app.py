"""The learner as a Faust application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import faust

from schemas.topics import DEAD_LETTERS, FOLDED_TOPICS, IMPRESSIONS, LAYOUT_REQUESTS
from streams.kafka.event_checks import Holdout
from streams.learner.agent import Learner
from streams.locked_folder import duplicates_folder
from streams.page_settings import LayoutSettings
from streams.settings import FoldSettings, KafkaSettings, LearnerSettings, RedisSettings
from streams.state.store import Store
from streams.transport import end_process
from streams.worker import open_worker

OUTPUTS = (DEAD_LETTERS, LAYOUT_REQUESTS)


def learner_app(
    kafka: KafkaSettings,
    redis: RedisSettings,
    fold: FoldSettings,
    settings: LearnerSettings,
    on_error: Callable[[Exception], None] = end_process,
    layouts: LayoutSettings | None = None,
) -> Callable[[], Awaitable[faust.App]]:
    """A function that makes the learner's app in the event loop that will run it; `layouts` draw the holdout."""

    async def make() -> faust.App:
        async with open_worker(kafka, redis, fold, OUTPUTS) as worker:
            manifest, counted = worker.manifest, worker.manifest.counting(fold)
            store = Store(worker.redis, manifest.namespace, manifest.groups, settings.memory_mb << 20)
            holdout = Holdout.of(layouts or LayoutSettings())
            learner = Learner(kafka, store, manifest, worker.log_producer, counted, settings, holdout)
            worker.opened.push_async_callback(learner.close)
            return worker.build_app(
                "learner",
                learner,
                manifest.topics_of(FOLDED_TOPICS),
                learner.learn,
                learner.tasks,
                "Learning",
                on_error,
                linger_s=settings.linger_ms / 1000,
                rest_s={IMPRESSIONS.name: settings.impressions_ms / 1000},
                folder=duplicates_folder(settings.folder),
            )

    return make
