"""The metrics of what runs beside the stream workers: encoder, console and edge."""

from __future__ import annotations

from streams.metrics.metric import Metric

SERVICES = (
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
        ("topic",),
        "Age of the newest record of a topic in the state, for its partition that is furthest behind; 0 where none is "
        "behind. It grows while Kafka or Redis is away.",
        "Rising: as for lag.",
    ),
    Metric(
        "reshelf_newest_event_age_seconds",
        "gauge",
        "console",
        (),
        "Time since the newest event that is in the state was appended, in whichever partition.",
        "Rising while reshelf_state_age_seconds is 0: no events come; look at who sends them.",
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
        "reshelf_console_look_age_seconds",
        "gauge",
        "console",
        (),
        "Time since the console last saw log and state, which it does once a second.",
        "Rising: all figures of the state are old; reshelf_console_away says whether a server is away, else the "
        "console's log says why.",
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
