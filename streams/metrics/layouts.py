"""The metrics of what layout workers compose, publish and vouch for."""

from __future__ import annotations

from streams.metrics.metric import SECONDS, SHARES, Metric

LAYOUTS = (
    Metric(
        "reshelf_layout_requests_total",
        "counter",
        "layouts",
        (),
        "Pages and segments for which the learner requested layouts.",
        "0 while events come in: check whether a learner runs.",
    ),
    Metric(
        "reshelf_layout_requests_deferred_total",
        "counter",
        "layouts",
        (),
        "Requests for pages and segments of which too little came for another layout: they wait for more.",
        "Nearly all, and pages follow their visitors too slowly: lower layouts.growth_share or layouts.rest_s.",
    ),
    Metric(
        "reshelf_layouts_total",
        "counter",
        "layouts",
        ("result",),
        "Layouts: published, unchanged, held (they gain less than layouts.change_threshold over the published ones), "
        "withdrawn (the page is no longer declared, or the learned segment was given up), waiting (for the layout of "
        "the whole page, whose baseline it takes), refused by the broker, or stopped as this machine's clock is off.",
        "Waiting for long: find out why the page has no layout of `*`. Refused: the log names page and size; raise "
        "max.message.bytes of layouts. Stopped: let NTP set the clock.",
    ),
    Metric(
        "reshelf_layout_lives_total",
        "counter",
        "layouts",
        ("result",),
        "Signs of life for the layouts of a partition: extended, held up by a page and segment that is not up to date, "
        "stopped as this machine's clock is off, or refused by the broker. But for extended, layouts of the partition "
        "are published again one by one.",
        "Held up: `reshelf doctor` names the page and segment and says why. Refused: give layout workers WRITE on "
        "layout-lives.",
    ),
    Metric(
        "reshelf_layouts_overdue",
        "gauge",
        "layouts",
        (),
        "Layouts of this worker that were not brought up to date for three quarters of layouts.ttl_ms, or not at all "
        "since it began to look after them.",
        "Not 0 for long: `reshelf doctor` names one and says why. All of them: more workers, or look at Redis.",
    ),
    Metric(
        "reshelf_layout_life_ratio",
        "gauge",
        "layouts",
        (),
        "How long the layouts of this worker's partitions are good at least, as a share of layouts.ttl_ms.",
        "Below 0.25: layouts are published again one by one; see reshelf_layout_lives_total.",
    ),
    Metric(
        "reshelf_layout_compose_seconds",
        "histogram",
        "layouts",
        (),
        "Time to compose one layout.",
        "High: use fewer candidates or variants on the largest pages.",
        SECONDS,
    ),
    Metric(
        "reshelf_layout_publish_seconds",
        "histogram",
        "layouts",
        (),
        "Time from a composed layout to its acknowledgement on both topics.",
        "High: look at the brokers, min.insync.replicas and their disks.",
        SECONDS,
    ),
    Metric(
        "reshelf_layout_entropy_ratio",
        "histogram",
        "layouts",
        (),
        "Entropy of a layout's propensities, as a share of what its variants allow: 0 all equal, 1 all different.",
        "Near 1 for days: too little traffic for that many items, lower layouts.exploration. "
        "At 0: nothing new is tried.",
        SHARES,
    ),
)
