"""Whether topics are there and as they should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reshelf.doctor.finding import Finding
from reshelf.settings import Settings
from reshelf.topics.admin import differing, remedy, states
from schemas.topic import Topic
from schemas.topics import (
    CONVERSIONS,
    CREDITS,
    EVENT_TOPICS,
    IMPRESSIONS,
    LAYOUTS_HISTORY,
    PURCHASES,
    RETURNS,
    SIGNALS,
)

DECISIONS = ((CONVERSIONS, PURCHASES), (CREDITS, SIGNALS), (CREDITS, RETURNS))
"""Topics of decisions, with those of what they are about."""


def look_at_topics(settings: Settings, span_ms: int) -> Iterator[Finding]:
    """Whether they fit a fold that recognises duplicates for this long; raises what Kafka raises without a broker."""
    topics = states(settings.kafka)
    yield Finding("broker", "ok", f"{settings.kafka.bootstrap} answers")
    missing = [state.name for state in topics if not state.exists]
    if missing:
        yield Finding("topics", "bad", f"missing: {', '.join(missing)}", "Run `reshelf topics apply`.")
    differences = differing(topics)
    if differences:
        said = "; ".join(f"{state.name}: {text}" for state, text in differences)
        yield Finding("topics", "bad", said, remedy(topics))
    if not missing and not differences:
        yield Finding("topics", "ok", f"all {len(topics)} are there")
    configs = {state.topic: state.config for state in topics}
    yield from retention_findings(configs)
    yield from history_findings(configs, settings.layouts.epoch_ms)
    yield from window_findings(configs, span_ms)
    if any(state.exists and not state.config for state in topics):
        yield Finding("topic configuration", "note", "the broker reports none", "Check cleanup and retention by hand.")


def retention_findings(configs: Mapping[Topic, Mapping[str, str]]) -> Iterator[Finding]:
    """Whether decisions are there as long as any record that they were made for: Kafka deletes by whole segments."""
    for decisions, about in DECISIONS:
        source, target = configs.get(about, {}), configs.get(decisions, {})
        if not {"retention.ms", "segment.ms"} <= source.keys() or "retention.ms" not in target:
            continue
        decided_ms, about_ms = int(target["retention.ms"]), int(source["retention.ms"])
        least = about_ms + int(source["segment.ms"])
        if decided_ms >= 0 and (about_ms < 0 or decided_ms < least):
            remedy = (
                f"Set retention.ms of {decisions.name} to {least if about_ms >= 0 else -1}, if not longer: "
                "a new namespace publishes decisions again that it does not find."
            )
            observation = (
                f"{decisions.name} is retained for {decided_ms} ms, {about.name} for {about_ms} ms and a segment of "
                f"{source['segment.ms']} ms"
            )
            yield Finding(decisions.name.removeprefix("events-"), "bad", observation, remedy)


def history_findings(configs: Mapping[Topic, Mapping[str, str]], epoch_ms: int) -> Iterator[Finding]:
    """Whether each layout is in the history as long as what was shown of it: one may stand for an epoch."""
    shown_ms, kept_ms = (int(configs[topic].get("retention.ms", -1)) for topic in (IMPRESSIONS, LAYOUTS_HISTORY))
    if 0 <= kept_ms < shown_ms + epoch_ms or shown_ms < 0 <= kept_ms:
        observation = f"retained for {kept_ms} ms, {IMPRESSIONS.name} for {shown_ms} ms, and an epoch is {epoch_ms} ms"
        target = shown_ms + epoch_ms if shown_ms >= 0 else -1
        remedy = (
            f"Set retention.ms of {LAYOUTS_HISTORY.name} to {target}, if not longer: else evaluation leaves out views."
        )
        yield Finding("history of layouts", "note", observation, remedy)


def window_findings(configs: Mapping[Topic, Mapping[str, str]], span_ms: int) -> Iterator[Finding]:
    """Whether a worker that starts without a disk finds the window in which it recognises duplicates."""
    for topic in EVENT_TOPICS:
        retained_ms = int(configs[topic].get("retention.ms", -1))
        if 0 <= retained_ms < span_ms:
            observation = f"{topic.name} is retained for {retained_ms} ms, fold.duplicate_window_ms is {span_ms}"
            remedy = (
                f"Set retention.ms of {topic.name} to {span_ms}, if not longer: a worker that starts knows no unit, "
                "page view or event_id of before the log, so what is counted depends a little on restarts."
            )
            yield Finding("duplicate window", "note", observation, remedy)
