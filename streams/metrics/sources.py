"""The metrics that say of those who send events, and of the brokers, what their clocks and partitioners do."""

from __future__ import annotations

from streams.metrics.metric import Metric

SOURCES = (
    Metric(
        "reshelf_partition_checks_total",
        "counter",
        "learner, attribution",
        ("topic", "result"),
        "Records whose key was hashed again, a few of each batch: right where they are in the partition that murmur2 "
        "says, else wrong.",
        "Any wrong: set `partitioner=murmur2_random` in producers that are made with librdkafka.",
    ),
    Metric(
        "reshelf_event_clock_seconds",
        "gauge",
        "learner, attribution",
        ("topic", "source"),
        "Event time minus append time, the largest among a few records of each batch in the last 5 to 10 minutes; "
        "`source` is the header `reshelf-producer` of the event, where it has one. A clock that is right gives the "
        "shortest time of an event to the log, a little below 0.",
        "Above 0: the clock of the source is ahead, by that much at least; let NTP set it. Far below 0: it is behind, "
        "or events are sent late.",
    ),
    Metric(
        "reshelf_holdout_checks_total",
        "counter",
        "learner",
        ("result",),
        "Page views whose side of the experiment was drawn again, a few of each batch: as_drawn, or "
        "holdout_saw_learned or learned_saw_holdout.",
        "More than a few that are not as_drawn: a renderer does not choose as policy/vectors.json says, or "
        "layouts.holdout_salt differs between workers. Trust no figure of the experiment.",
    ),
    Metric(
        "reshelf_attribution_overdue_records_total",
        "counter",
        "attribution",
        (),
        "Clicks and purchases that the broker stamped with a time at which it had nothing more, as another broker's "
        "clock said: a replay may credit purchases of these moments otherwise.",
        "Not 0: let NTP set the clocks of the brokers, or raise attribution.clock_skew_ms.",
    ),
    Metric(
        "reshelf_layout_clock_skew_seconds",
        "gauge",
        "layouts",
        (),
        "How far this machine's clock is ahead of the brokers' (below 0: behind), from the layout that was published "
        "last; 0 where the broker stamps no append time.",
        "Beyond layouts.max_clock_skew_ms no layout is published: let NTP set the clock.",
    ),
)
