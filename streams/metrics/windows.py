"""The metrics that say how far back clicks and duplicates are known, and how much room there is for them."""

from __future__ import annotations

from streams.metrics.metric import Metric

WINDOWS = (
    Metric(
        "reshelf_attribution_window_seconds",
        "gauge",
        "attribution",
        (),
        "How far before a purchase clicks are there, up to the longest attribution window, in the partition where it "
        "is least.",
        "Less than the target: clicks of before then are lost to purchases. Raise retention.ms of events-clicks, which "
        "is shorter than the window; the window then grows by itself.",
    ),
    Metric(
        "reshelf_attribution_window_target_seconds",
        "gauge",
        "attribution",
        (),
        "The longest attribution window that pages or settings ask for.",
        "Longer than anybody buys after a click: shorten it, and less disk is needed.",
    ),
    Metric(
        "reshelf_duplicate_window_seconds",
        "gauge",
        "learner",
        ("topic",),
        "How far back event_ids that are sent again are recognised, in the partition where it is least.",
        "Less than the target: raise fold.duplicate_mb for all learners; no new namespace is needed.",
    ),
    Metric(
        "reshelf_repeat_window_seconds",
        "gauge",
        "learner",
        ("topic",),
        "How far back slots of a page view that are reported again under another event_id are recognised, in the "
        "partition where it is least.",
        "Shorter than people stay on a page: raise fold.duplicate_mb for all learners; no new namespace is needed.",
    ),
    Metric(
        "reshelf_duplicate_window_target_seconds",
        "gauge",
        "learner",
        ("topic",),
        "How far back they are to be recognised: fold.duplicate_window_ms.",
        "Longer than producers try again: a shorter one needs less memory, and a new namespace.",
    ),
    Metric(
        "reshelf_duplicate_memory_used_ratio",
        "gauge",
        "learner",
        ("topic",),
        "The share of fold.duplicate_mb that the records of that time need, in the fullest partition; above 1 the time "
        "is cut short.",
        "Above 0.8: raise fold.duplicate_mb for all learners; no new namespace is needed.",
    ),
    Metric(
        "reshelf_duplicate_window_short_records_total",
        "counter",
        "learner",
        ("topic",),
        "Records that were judged while memory cut the window short.",
        "Rising: as for reshelf_duplicate_memory_used_ratio.",
    ),
    Metric(
        "reshelf_disk_used_ratio",
        "gauge",
        "learner, attribution",
        ("setting",),
        "How full the disk is that has the worker's folder, by the setting that names the folder.",
        "Above 0.8: make the volume larger. On a full disk clicks and duplicates are not written down, and "
        "a start reads them from the log.",
    ),
)
