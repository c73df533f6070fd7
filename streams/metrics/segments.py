"""The metrics of learned segments."""

from __future__ import annotations

from streams.metrics.metric import SECONDS, Metric

SEGMENTS = (
    Metric(
        "reshelf_segment_fits_total",
        "counter",
        "fitter",
        ("result",),
        "How often segments were to be fitted: fitted, no_segments as none foretell anything for certain, few_units as "
        "the sample holds too few visitors, which is looked at again within seconds, or failed.",
        "Failed: its log says why, and the segments stay as they are. Only few_units: visitors' events lack views, or "
        "lower segments.min_units.",
    ),
    Metric(
        "reshelf_segment_fit_seconds",
        "histogram",
        "fitter",
        (),
        "Time to fit segments to the sample.",
        "Minutes: lower segments.sample_units.",
        SECONDS,
    ),
    Metric(
        "reshelf_segment_sample_units",
        "gauge",
        "fitter",
        ("kind",),
        "Visitors of the sample: learned_from, refused as they did not agree, and robot as they look at too much; and "
        "beyond_limit, about so many more that came and are not in the sample, as it is full.",
        "Learned_from falls: views or clicks are missing from the log. Beyond_limit above 0 with "
        "segments.publish_units: those visitors have no record in unit-segments; raise segments.sample_units.",
    ),
    Metric(
        "reshelf_unit_segments",
        "gauge",
        "fitter",
        (),
        "Visitors whose segment is in unit-segments, where segments.publish_units is set.",
        "Far below the visitors that are learned_from: the others looked at nothing that leads to a segment.",
    ),
    Metric(
        "reshelf_unit_segment_records_total",
        "counter",
        "fitter",
        ("result",),
        "Segments of visitors by what became of them: assigned, taken_back as the visitor is in t00 now or gone, or "
        "failed as the broker refused them.",
        "Failed: the fitter's log says why; they are tried again after a minute.",
    ),
    Metric(
        "reshelf_segments",
        "gauge",
        "fitter",
        (),
        "Segments of the newest model.",
        "0: tastes foretell nothing for certain; pages do without segments.",
    ),
    Metric(
        "reshelf_segment_items",
        "gauge",
        "fitter",
        (),
        "Items of the newest model that lead to a segment.",
        "Few: most of what visitors look at is not in the catalog, or barred, or fewer than 5 of them looked at it.",
    ),
    Metric(
        "reshelf_segment_gain",
        "gauge",
        "fitter",
        (),
        "By how much segments raise the logarithm of the likelihood of an item that was held out.",
        "Near 0: segments hardly tell visitors apart.",
    ),
    Metric(
        "reshelf_segment_moved_ratio",
        "gauge",
        "fitter",
        (),
        "Share of the sample that the newest model moved to another segment.",
        "Above 0.1 again and again: raise segments.sample_units; 1 once: a new generation began.",
    ),
    Metric(
        "reshelf_segment_model_published_seconds",
        "gauge",
        "layouts",
        (),
        "When the model of learned segments that layouts go by was published, in seconds since 1970.",
        "Long ago: check that the fitter runs, and reshelf_segment_fits_total.",
    ),
    Metric(
        "reshelf_segment_impressions_total",
        "counter",
        "layouts",
        ("page", "kind"),
        "Items that were seen on pages with learned segments, by visitors who are assigned to a segment of the model, "
        "unassigned (t00), or in a segment that is none of the model (other).",
        "Mostly unassigned: tiers do not keep what visitors looked at, or few agree to it. Other: a tier does not "
        "choose segments by the model, or goes by an old one.",
    ),
    Metric(
        "reshelf_pages_without_segments",
        "gauge",
        "layouts",
        (),
        "Pages whose segments all have the slates of `*`, because the page certainly loses by its segments.",
        "Not 0: see `reshelf experiment branches`; take `segments` and the branch out of the page's file, or set "
        "experiment.since_ms to try again.",
    ),
)
