"""What is wrong with an installation, and what to do about it.

- `build`: whether the parts that are compiled where there is a C compiler were compiled
- `catalog`: what items of the catalog, and events about them, say that cannot be meant so
- `clock`: how far the broker's clock is from ours
- `events`: what the last events of each topic say of those who send them
- `finding`: what an examination finds
- `keys`: whether the records of compacted topics lie where their keys are written to
- `plan`: what a shop of a given size needs
- `refusals`: what a worker, console or edge would refuse to start with
- `segments`: whether learned segments are learned, and whether visitors are put into them
- `server`: what Redis or Valkey says of itself
- `topics`: whether topics are there and as they should be
- `variety`: whether learned segments show their visitors as many categories as the whole page does
- `work`: whether workers run and keep up, and whether layouts live
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import partial

from confluent_kafka import KafkaException

from policy.slates.compiled import BUILT as POLICY_BUILT
from reshelf.doctor.build import build_finding
from reshelf.doctor.catalog.names import look_at_names
from reshelf.doctor.catalog.topics import CatalogTopics
from reshelf.doctor.clock import broker_clock
from reshelf.doctor.events import look_at_events
from reshelf.doctor.finding import Finding, words
from reshelf.doctor.keys import look_at_keys
from reshelf.doctor.refusals import access_findings, encoder_finding, folder_findings, look_at_state
from reshelf.doctor.segments import look_at_segments
from reshelf.doctor.server import look_at_redis, redis_findings
from reshelf.doctor.topics import history_findings, look_at_topics, retention_findings, window_findings
from reshelf.doctor.variety import look_at_variety
from reshelf.doctor.work import look_at_work
from reshelf.namespaces.open_state import namespace_settings
from reshelf.settings import Settings
from schemas.errors import ReshelfError
from streams.fold.fast.path import BUILT as FOLD_BUILT
from streams.state.arrays.compiled import BUILT as STATE_BUILT

__all__ = [
    "Finding",
    "build_finding",
    "examine",
    "history_findings",
    "redis_findings",
    "retention_findings",
    "window_findings",
]


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at what was built, brokers, topics, Redis, clocks and workers.

    What cannot be reached is a finding, never an error.
    """
    yield build_finding(FOLD_BUILT, POLICY_BUILT, STATE_BUILT)
    yield from access_findings(settings)
    yield from folder_findings(settings)
    yield from encoder_finding(settings)
    answers = [(yield from _broker(settings, _duplicate_window_ms(settings))), (yield from look_at_redis(settings))]
    if not all(answers):
        return
    catalog = CatalogTopics(settings.kafka)
    looks: dict[str, Callable[[Settings], Iterator[Finding]]] = {
        "namespace": look_at_state,
        "workers": look_at_work,
        "segments": look_at_segments,
        "variety": partial(look_at_variety, catalog=catalog),
        "keys": look_at_keys,
        "names": partial(look_at_names, catalog=catalog),
    }
    for about, look in looks.items():
        try:
            yield from look(settings)
        except (ReshelfError, KafkaException) as error:
            yield Finding(about, "note", f"not looked at: {words(error)}", "Mend what is said above first.")


def _duplicate_window_ms(settings: Settings) -> int:
    """That of the namespace, or where there is none that of the settings, which would make it."""
    try:
        return namespace_settings(settings).fold.duplicate_window_ms
    except ReshelfError:
        return settings.fold.duplicate_window_ms


def _broker(settings: Settings, span_ms: int) -> Generator[Finding, None, bool]:
    try:
        yield from look_at_topics(settings, span_ms)
        yield broker_clock(settings)
        yield from look_at_events(settings)
    except (ReshelfError, KafkaException) as error:
        remedy = "Check kafka.bootstrap, and kafka.security_protocol with user, password and certificate files."
        said, _, _ = words(error).partition(". Check ")
        yield Finding("broker", "bad", said, remedy)
        return False
    return True
