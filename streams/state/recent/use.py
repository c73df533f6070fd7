"""How much of its time the window of each partition covers, as learners say it in Redis; none of it is state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from streams.fold.window import RecentWindow
from streams.kafka.records import TopicPartition
from streams.state.connection.errors import translate_errors
from streams.state.keys import home_group
from streams.state.store import Store


async def store_windows(store: Store, windows: Mapping[TopicPartition, RecentWindow]) -> None:
    """Write them down."""
    pipeline = store.redis.pipeline(transaction=False)
    for tp, window in windows.items():
        pipeline.set(_key(store, tp), ":".join(map(str, window)))
    await translate_errors(pipeline.execute)


async def tightest_window(store: Store, tps: Iterable[TopicPartition]) -> tuple[TopicPartition, RecentWindow] | None:
    """The partition that needs the most of its memory; None where no learner has said anything."""
    named = list(tps)
    pipeline = store.redis.pipeline(transaction=False)
    for tp in named:
        pipeline.get(_key(store, tp))
    stored = zip(named, await translate_errors(pipeline.execute), strict=True)
    windows = [(tp, RecentWindow(*map(int, text.split(b":")))) for tp, text in stored if text]
    return max(windows, key=lambda pair: pair[1].ratio, default=None)


def _key(store: Store, tp: TopicPartition) -> str:
    return store.keys[home_group(tp, store.groups)].recent_window(tp)
