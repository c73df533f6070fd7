"""The table of all metrics: what is told, by whom, what it means, and what to do about it.

Labels take few values: topics, partitions, verdicts and reasons of the code, and
of pages the first `MOST_PAGES`; never a unit, an item, a segment or an address of a visitor.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]
MOST_PAGES = 50
"""Pages that have samples of their own, in the order of their names."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
AGES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Metric(NamedTuple):
    """One family; `told_by` says which processes have it, `remedy` what to do when it is not as it should be.

    `bounds` are the upper ends of a histogram's buckets, without the last one, which is infinite.
    """

    name: str
    kind: Kind
    told_by: str
    labels: tuple[str, ...]
    meaning: str
    remedy: str
    bounds: tuple[float, ...] = ()


_ALL = (
    Metric(
        "process_cpu_seconds_total",
        "counter",
        "every process",
        (),
        "Processor time that the process has used.",
        "A whole core: start more workers, at most one for each partition.",
    ),
    Metric(
        "process_resident_memory_bytes",
        "gauge",
        "every process",
        (),
        "Memory that the process uses.",
        "Rising for hours: note what it was doing, and restart it.",
    ),
    Metric(
        "process_open_fds",
        "gauge",
        "every process",
        (),
        "Files and connections that are open.",
        "Rising for hours: as for memory.",
    ),
    Metric(
        "reshelf_live",
        "gauge",
        "workers, encoder",
        (),
        "1 while the process makes progress.",
        "0: its supervisor restarts it.",
    ),
    Metric(
        "reshelf_ready",
        "gauge",
        "workers, encoder",
        (),
        "1 while GET /ready answers 200.",
        "0: GET /ready gives the reasons.",
    ),
    Metric(
        "reshelf_waiting",
        "gauge",
        "workers",
        (),
        "Calls that wait because Kafka or Redis does not answer.",
        "Not 0: `reshelf doctor` says which of them is away.",
    ),
    Metric(
        "reshelf_lag_records",
        "gauge",
        "workers",
        ("topic", "partition"),
        "Records of the log that the worker has not applied, for the partitions that it owns.",
        "Rising: start more workers, or check whether Redis is slow.",
    ),
    Metric(
        "reshelf_records_total",
        "counter",
        "learner, attribution",
        ("topic", "verdict"),
        "Records by verdict: applied, duplicate, forgotten, robot, repeated, or why they are dead letters.",
        "Many dead letters: look at them for what producers send. Many duplicates: a producer repeats itself.",
    ),
    Metric(
        "reshelf_dead_letters_total",
        "counter",
        "learner, attribution",
        ("topic", "reason"),
        "Records dead-lettered, by the topic that they came from; one that is sent again after a failure counts again.",
        "Look at one of each reason on the console's Pipeline page, and fix the producer.",
    ),
    Metric(
        "reshelf_rewinds_total",
        "counter",
        "learner, attribution",
        ("topic",),
        "How often Redis had lost writes, so that a partition was read again.",
        "Not 0: look for a failover of Redis, and check its appendfsync.",
    ),
    Metric(
        "reshelf_event_age_seconds",
        "histogram",
        "learner",
        ("topic",),
        "Time from the append of a record until it is in the state, for the oldest record of each batch.",
        "Rising with lag: as for lag. Rising without: look at script time, and at the clocks with `reshelf doctor`.",
        AGES,
    ),
    Metric(
        "reshelf_fold_seconds",
        "histogram",
        "learner",
        ("topic",),
        "Time to judge and fold one batch.",
        "High compared with script time: check that the fold is compiled (learner.compiled), and start more learners.",
        SECONDS,
    ),
    Metric(
        "reshelf_fold_events_total",
        "counter",
        "learner",
        ("path",),
        "Impressions that were counted: fast by the compiled fold, plain in Python, at 10 times the cost or more. "
        "The first of each new name in a bucket is always plain.",
        "Plain more than a few in a hundred: see that the fold is compiled (learner.compiled), and that producers "
        "write each field once and integers without a fraction; new names with every event cost the same.",
    ),
    Metric(
        "reshelf_script_seconds",
        "histogram",
        "learner",
        (),
        "Time until Redis has applied one batch to all state groups, network included.",
        "High: look at the CPU of Redis, its slow log and appendfsync; a cluster spreads state groups over shards.",
        SECONDS,
    ),
    Metric(
        "reshelf_purchase_lines_total",
        "counter",
        "attribution",
        ("verdict",),
        "Purchase lines decided: credited, or why they were not.",
        "Hardly any credited: check that clicks and purchases have the same unit and item names.",
    ),
    Metric(
        "reshelf_fits_total",
        "counter",
        "fitter",
        ("result",),
        "Pages that the fitter handled: fitted, unchanged or failed.",
        "Failed: its log names the page, which keeps the parameters that it has.",
    ),
    Metric(
        "reshelf_fit_seconds",
        "histogram",
        "fitter",
        (),
        "Time to fit the parameters of one page.",
        "Long compared with fitter.interval_s: raise that, or start a second fitter.",
        SECONDS,
    ),
    Metric(
        "reshelf_layout_requests_total",
        "counter",
        "layouts",
        (),
        "Pages and segments for which the learner requested layouts.",
        "0 while events come in: check whether a learner runs.",
    ),
    Metric(
        "reshelf_layouts_total",
        "counter",
        "layouts",
        ("result",),
        "Layouts: published, unchanged, withdrawn (the page is no longer declared) or refused by the broker.",
        "Refused: the log names page and size; raise max.message.bytes of layouts.",
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
    Metric(
        "reshelf_invalid_records_total",
        "counter",
        "layouts",
        ("topic",),
        "Records of the compacted topics and of layout-requests that were skipped.",
        "Not 0: the log names the record; check items and rules before publishing them.",
    ),
    Metric(
        "reshelf_pages_on_baseline",
        "gauge",
        "layouts",
        (),
        "Pages that show their baseline to all visitors, because learned layouts certainly lose.",
        "Not 0: fix the cause that `reshelf experiment status` shows, then set experiment.since_ms.",
    ),
    Metric(
        "reshelf_uplift_ratio",
        "gauge",
        "layouts",
        ("page", "outcome", "bound"),
        "Gain of learned layouts over the holdout per page view: the estimate, and low and high of its 95 % interval, "
        "valid at any time. Computed every experiment.check_s, for the first 50 pages.",
        "High below 0: learned layouts lose; see `reshelf experiment status`.",
    ),
    Metric(
        "reshelf_sample_ratio_alarm",
        "gauge",
        "layouts",
        ("page",),
        "1 where the holdout has more or fewer units than it should.",
        "1: trust no figure of the experiment; check that renderers choose as policy/vectors.json says and report it.",
    ),
    Metric(
        "reshelf_encoder_texts_total",
        "counter",
        "encoder",
        ("result",),
        "Texts of items: encoded, skipped as already encoded, truncated (and encoded), failed, or deleted.",
        "Failed: look at dead-letters. Truncated: put what matters first in the texts.",
    ),
    Metric(
        "reshelf_encoder_waiting_texts",
        "gauge",
        "encoder",
        (),
        "Texts that wait to be encoded.",
        "Not falling: use a GPU, or a larger encoder.batch.",
    ),
    Metric(
        "reshelf_encoder_model_seconds_total",
        "counter",
        "encoder",
        (),
        "Time spent in the model.",
        "Divided by the texts encoded, it is the speed of the device.",
    ),
    Metric(
        "reshelf_state_lag_records",
        "gauge",
        "console",
        ("topic", "partition"),
        "Records between the end of the log and the lowest watermark in Redis, whether a worker runs or not.",
        "Rising: no worker has the partition, or workers are too slow.",
    ),
    Metric(
        "reshelf_state_age_seconds",
        "gauge",
        "console",
        (),
        "Age of the newest record in the state, for the partition that is furthest behind; 0 where none is behind.",
        "Rising: as for lag.",
    ),
    Metric(
        "reshelf_workers",
        "gauge",
        "console",
        ("role",),
        "Workers in the consumer group of each role. The embedded broker does not report them.",
        "0: start one.",
    ),
    Metric(
        "reshelf_redis_memory_bytes",
        "gauge",
        "console",
        ("server",),
        "Memory that Redis uses for data.",
        "Near the limit: use more memory, a shorter fold.bucket_ttl_ms in a new namespace, or a cluster.",
    ),
    Metric(
        "reshelf_redis_memory_limit_bytes",
        "gauge",
        "console",
        ("server",),
        "What maxmemory allows; 0: no limit.",
        "0: set maxmemory with maxmemory-policy noeviction, so that Redis refuses writes before memory runs out.",
    ),
    Metric(
        "reshelf_console_away",
        "gauge",
        "console",
        (),
        "1 while Kafka or Redis does not answer the console.",
        "1: `reshelf doctor` says which of them is away.",
    ),
    Metric(
        "reshelf_http_requests_total",
        "counter",
        "console, edge",
        ("route", "status"),
        "Requests answered, by the kind of address and the HTTP status.",
        "Many 401: a token is wrong. Many 429: a client sends too much. 5xx: Kafka or Redis is away.",
    ),
    Metric(
        "reshelf_edge_events_total",
        "counter",
        "edge",
        ("result",),
        "Events sent to POST /events: accepted, or why they were refused.",
        "Many refused: compare the sender with GET /openapi.json. Reason broker: Kafka is away.",
    ),
    Metric(
        "reshelf_edge_layouts",
        "gauge",
        "edge",
        (),
        "Layouts that the edge has in memory.",
        "0: check whether a layouts worker runs.",
    ),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
