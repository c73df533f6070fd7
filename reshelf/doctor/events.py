"""What the last events of each topic say of those who send them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from reshelf.doctor.finding import Finding
from reshelf.inspect.event_sample import TopicSample, faults, sample_events
from reshelf.numbers import number
from reshelf.settings import Settings
from schemas.errors import BadSettings


def look_at_events(settings: Settings) -> Iterator[Finding]:
    """Whether keys, clocks and holdout are as they should be; raises what Kafka raises where no broker answers.

    Topics that are missing are another finding.
    """
    with contextlib.suppress(BadSettings):
        yield from event_findings(sample_events(settings), settings)


def event_findings(samples: Sequence[TopicSample], settings: Settings) -> Iterator[Finding]:
    """Findings from samples of the topics; nothing where there are no events."""
    count = 0
    for fault in faults(samples, settings):
        count += 1
        yield Finding(fault.about, fault.state, fault.detail, fault.remedy)
    seen = sum(sample.records for sample in samples)
    if seen and not count:
        yield Finding("events", "ok", f"partitions, clocks and holdout of the last {number(seen)} records are right")
