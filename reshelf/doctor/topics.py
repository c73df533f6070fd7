"""Whether topics are there and as they should be."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from reshelf.doctor.finding import Finding
from reshelf.settings import Settings
from reshelf.topics.admin import remedy, states
from schemas.errors import Transient
from schemas.topics import CONVERSIONS, EVENT_TOPICS, PURCHASES, Topic
from streams.kafka.bounds import log_bounds
from streams.settings import KafkaSettings

ATTEMPTS = 4


def look_at_topics(settings: Settings, window: int) -> Iterator[Finding]:
    """Whether they fit a fold with this duplicate window; raises what Kafka raises where no broker answers."""
    topics = states(settings.kafka)
    yield Finding("broker", "ok", f"{settings.kafka.bootstrap} answers")
    missing = [state.name for state in topics if not state.exists]
    if missing:
        yield Finding("topics", "bad", f"missing: {', '.join(missing)}", "Run `reshelf topics apply`.")
    else:
        yield from window_findings(_bounds(settings.kafka), window)
    differing = [f"{state.name}: {text}" for state in topics if state.exists for text in state.differences]
    if differing:
        yield Finding("topics", "bad", "; ".join(differing), remedy(topics))
    if not missing and not differing:
        yield Finding("topics", "ok", f"all {len(topics)} are there")
    yield from retention_findings({state.topic: state.config for state in topics})
    if any(state.exists and not state.config for state in topics):
        yield Finding("topic configuration", "note", "the broker reports none", "Check cleanup and retention by hand.")


def _bounds(kafka: KafkaSettings) -> Mapping[str, Sequence[tuple[int, int]]]:
    """Where the logs of events begin and end; topics that were just made have no leader at first."""
    names = [topic.name for topic in EVENT_TOPICS]
    for _ in range(ATTEMPTS - 1):
        try:
            return log_bounds(kafka, names)
        except Transient:
            time.sleep(0.5)
    return log_bounds(kafka, names)


def retention_findings(configs: Mapping[Topic, Mapping[str, str]]) -> Iterator[Finding]:
    """Whether decisions are there as long as any purchase of theirs: Kafka deletes purchases by whole segments."""
    purchases, conversions = configs[PURCHASES], configs[CONVERSIONS]
    if not {"retention.ms", "segment.ms"} <= purchases.keys() or "retention.ms" not in conversions:
        return
    decisions_ms, bought = int(conversions["retention.ms"]), int(purchases["retention.ms"])
    least = bought + int(purchases["segment.ms"])
    if decisions_ms >= 0 and (bought < 0 or decisions_ms < least):
        target = str(least) if bought >= 0 else "-1"
        remedy = (
            f"Set retention.ms of {CONVERSIONS.name} to {target}, if not longer: "
            "a new namespace publishes decisions again that it does not find."
        )
        observation = (
            f"retained for {decisions_ms} ms, purchases for {bought} ms and a segment of {purchases['segment.ms']} ms"
        )
        yield Finding("conversions", "bad", observation, remedy)


def window_findings(bounds: Mapping[str, Sequence[tuple[int, int]]], window: int) -> Iterator[Finding]:
    """Whether a worker that starts finds the window in which it knows repetitions, or all that there ever was."""
    short = [
        f"{topic}/{partition} has {end - first:,}"
        for topic, pairs in bounds.items()
        for partition, (first, end) in enumerate(pairs)
        if first > 0 and end - first < window
    ]
    if short:
        remedy = (
            "Keep event topics longer: a worker that starts knows no unit, page view or event_id of before them, "
            "so `units` of experiments depend a little on restarts."
        )
        more = f" and {len(short) - 1} others have fewer" if short[1:] else ""
        observation = f"{short[0]} records{more}, fold.duplicate_window is {window:,}"
        yield Finding("duplicate window", "note", observation, remedy)
