"""The table of all metrics: what is exposed, by whom, what it means, and what to do about it.

Labels take few values: topics, partitions, verdicts and reasons of the code, and
of pages the first `MOST_PAGES`; never a unit, an item, a segment or an address of a visitor.
"""

from __future__ import annotations

from streams.metrics.layouts import LAYOUTS
from streams.metrics.metric import AGES, SECONDS, Metric
from streams.metrics.processes import PROCESSES
from streams.metrics.segments import SEGMENTS
from streams.metrics.services import SERVICES
from streams.metrics.sources import SOURCES
from streams.metrics.windows import WINDOWS

_ALL = (
    *PROCESSES,
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
        "Records dead-lettered, by the topic that they came from.",
        "Look at one of each reason on the console's Pipeline page, and fix the producer.",
    ),
    Metric(
        "reshelf_dead_letters_skipped_total",
        "counter",
        "learner, attribution",
        ("topic",),
        "Invalid records that were judged again and had their dead letter already, so that none was written.",
        "Not 0: usual after a restart or a rewind (reshelf_rewinds_total), and with a new namespace.",
    ),
    *SOURCES,
    Metric(
        "reshelf_quota_used_ratio",
        "gauge",
        "learner",
        ("kind",),
        "Share of a limit on distinct names that is used (keys, items, slots, page_items, page_slots), for the "
        "fullest of the worker's partitions and time buckets in use.",
        "Above 0.8: raise the fold.max_ setting of the kind for all learners if the names are real; no new namespace "
        "is needed. At 1 records with new names become dead letters.",
    ),
    Metric(
        "reshelf_state_memory_bytes",
        "gauge",
        "learner, layouts, fitter",
        ("setting", "kind"),
        "Memory that counts take in the process, under the setting that bounds it: tables as they were read, the "
        "weighted sums that layouts are made from, and in a learner the names of items and slots.",
        "See reshelf_state_memory_used_ratio.",
    ),
    Metric(
        "reshelf_state_memory_limit_bytes",
        "gauge",
        "learner, layouts, fitter",
        ("setting",),
        "What the setting allows.",
        "Sums take what tables leave of it, and an eighth at least.",
    ),
    Metric(
        "reshelf_state_memory_used_ratio",
        "gauge",
        "layouts, fitter",
        ("setting",),
        "Share of the setting that tables take, of seven eighths: an eighth is for sums.",
        "Above 0.8: raise the setting where the machine has memory, or run more workers. Beyond it, the keys that were "
        "used least recently are read from Redis again when they are due, which is slower and changes no layout.",
    ),
    Metric(
        "reshelf_state_keys_read_total",
        "counter",
        "learner, layouts, fitter",
        ("setting", "result"),
        "Pages and segments whose tables were read whole: for the first time (read), or again after they were let go "
        "(again); and those that were let go for others (evicted).",
        "Many that are read again: see reshelf_state_memory_used_ratio.",
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
        "reshelf_merged_tables_total",
        "counter",
        "learner",
        ("outcome",),
        "Tables of counts that were due to be merged into those of a longer span of time: merged, or left because "
        "somebody wrote or merged them meanwhile, for another try a minute later.",
        "No merged for days while events come: the learner's log says why; Redis and readers need more memory.",
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
        "Where a limit on names may be in the way, events that bring new ones are plain.",
        "Plain more than a few in a hundred: see that the fold is compiled (learner.compiled), that producers "
        "write each field once and integers without a fraction, and reshelf_quota_used_ratio.",
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
        "reshelf_signals_total",
        "counter",
        "attribution",
        ("verdict",),
        "Signals decided: credited, repeated, of an undeclared kind, or why they were credited to no click.",
        "Hardly any credited: check that clicks and signals have the same unit and item names. Undeclared: declare the "
        "kind in fold.signals, or send it no more.",
    ),
    Metric(
        "reshelf_returned_lines_total",
        "counter",
        "attribution",
        ("verdict",),
        "Returned lines decided: credited to the click of their order, or of an order that is not known as credited.",
        "Hardly any credited: check that returns have the order's own unit, order_id, item and nth.",
    ),
    Metric(
        "reshelf_attribution_reread_records",
        "gauge",
        "attribution",
        (),
        "Clicks that are read again because this machine does not have them; purchases wait until it is 0.",
        "After each start: give attribution.folder a volume that outlives the worker.",
    ),
    Metric(
        "reshelf_attribution_clicks",
        "gauge",
        "attribution",
        (),
        "About how many clicks this worker has on disk.",
        "Far more than clicks come in over the window: a robot; look for units that click without end.",
    ),
    Metric(
        "reshelf_attribution_lookups_total",
        "counter",
        "attribution",
        (),
        "Signals and purchases whose unit was looked up on disk, as the clicks of lately in memory did not decide.",
        "Nearly as many as signals and purchases: raise attribution.memory_mb, half of which these clicks have.",
    ),
    Metric(
        "reshelf_attribution_disk_bytes",
        "gauge",
        "attribution",
        (),
        "Bytes that these clicks take in attribution.folder.",
        "Near the size of the volume: make it larger, or shorten the attribution window. A worker whose disk is full "
        "stops, and goes on where it was.",
    ),
    Metric(
        "reshelf_fits_total",
        "counter",
        "fitter",
        ("result",),
        "Pages that the fitter handled: fitted, unchanged, deferred as too little came, failed, or withdrawn as "
        "they are declared no more.",
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
    *SEGMENTS,
    *LAYOUTS,
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
    *WINDOWS,
    *SERVICES,
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
