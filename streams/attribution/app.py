"""Attribution's Faust app and what it connects to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import faust

from schemas.topics import DEAD_LETTERS
from streams.attribution.agent import Attribution
from streams.locked_folder import clicks_folder
from streams.settings import AttributionSettings, FoldSettings, KafkaSettings, LearnerSettings, RedisSettings
from streams.transport import end_process
from streams.transport.group.assignment import TOGETHER
from streams.worker import open_worker


def attribution_app(
    kafka: KafkaSettings,
    redis: RedisSettings,
    fold: FoldSettings,
    learner: LearnerSettings,
    settings: AttributionSettings,
    on_error: Callable[[Exception], None] = end_process,
) -> Callable[[], Awaitable[faust.App]]:
    """A function that makes attribution's app in the event loop that will run it."""

    async def make() -> faust.App:
        async with open_worker(kafka, redis, fold, (DEAD_LETTERS,)) as worker:
            attribution = Attribution(worker, worker.manifest.counting(fold), learner, settings)
            await attribution.start()
            return worker.build_app(
                "attribution",
                attribution,
                attribution.topics,
                attribution.attribute,
                attribution.tasks,
                "Attributing",
                on_error,
                assignor=TOGETHER,
                folder=clicks_folder(settings.folder),
            )

    return make
