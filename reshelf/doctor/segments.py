"""Whether learned segments are learned, and whether those who show pages put visitors into them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress

from policy.segments.rule import UNASSIGNED
from reshelf.doctor.finding import Finding
from reshelf.inspect.attribution_window import duration
from reshelf.inspect.event_sample import last_records
from reshelf.numbers import number
from reshelf.rules import topic as rules_topic
from reshelf.settings import Settings
from schemas.codec import decoder
from schemas.errors import BadRecord
from schemas.messages.events import Impression
from schemas.messages.pages import PageRules
from schemas.messages.segments import SegmentModel
from schemas.topics import IMPRESSIONS, SEGMENTS, UNIT_SEGMENTS
from streams.catalog.segments.model_view import SegmentModelView
from streams.kafka.bounds import watermarks
from streams.kafka.reader import partitions_if_any, read_runs, reader
from streams.layouts.segments.serving import served_segments

STALE_FITS = 24
"""A model is stale after so many of the times in which it is to be fitted."""
LEAST_VIEWS = 50
MOST_UNASSIGNED = 0.8
MOST_OTHER = 0.1

_decode = decoder(Impression)


def look_at_segments(settings: Settings) -> Iterator[Finding]:
    """Of pages with learned segments: the model, and what the last page views say; and of visitors' segments.

    Nothing where there is no such page and no such visitor.
    """
    yield from unit_findings(settings, _unit_records(settings))
    pages = {name: rules for name, rules in rules_topic.newest(settings.kafka).items() if rules.has_learned_segments}
    if not pages:
        return
    model = _model(settings)
    yield model_finding(settings, model, time.time_ns() // 1_000_000)
    yield from view_findings(pages, model, _views(settings, pages))


def _unit_records(settings: Settings) -> int:
    """How many records `unit-segments` has at most, by the ends of its partitions; it may not be there yet."""
    with reader(settings.kafka) as consumer:
        places = partitions_if_any(consumer, settings.kafka.prefix + UNIT_SEGMENTS.name)
        bounds = [watermarks(consumer, place) for place in places]
    return sum(end - first for first, end in bounds)


def unit_findings(settings: Settings, records: int) -> Iterator[Finding]:
    """Whether segments of visitors are renewed; nothing where there are none and shall be none.

    A visitor has one of the `records` and more until the topic is compacted, and who left it has some, too.
    """
    about, said = "segments of visitors", f"at most {number(records)} visitors have one in {UNIT_SEGMENTS.name}"
    if settings.segments.publish_units:
        yield Finding(about, "ok", said)
    elif records:
        remedy = (
            "Empty the topic: delete it, and make it again with `reshelf topics apply`; edges notice. Or set "
            "segments.publish_units for the fitter again."
        )
        yield Finding(about, "note", f"{said}, and segments.publish_units is off: nobody renews them", remedy)


def _model(settings: Settings) -> SegmentModel | None:
    view = SegmentModelView(with_items=False)
    for _, records in read_runs(settings.kafka, SEGMENTS):
        for record in records:
            with suppress(BadRecord):
                view.take_record(record.key, record.value)
    return view.model


def _views(settings: Settings, pages: Mapping[str, PageRules]) -> Counter[tuple[str, str]]:
    """The last page views of these pages, by page and segment."""
    views = Counter[tuple[str, str]]()
    for record in last_records(settings.kafka, IMPRESSIONS):
        with suppress(BadRecord):
            impression = _decode(record.value or b"")
            views[impression.page, impression.segment] += impression.page in pages
    return views


def model_finding(settings: Settings, model: SegmentModel | None, now_ms: int) -> Finding:
    """Whether there is a model, and a fitter that renews it."""
    about = "learned segments"
    if not settings.segments.learned:
        remedy = "Set segments.learned for the fitter, or take `segments` out of the page's file."
        return Finding(about, "bad", "pages use them, and segments.learned is off: nobody learns them", remedy)
    if model is None:
        remedy = "See `reshelf segments show`, and the fitter's log: visitors' views or clicks may be missing."
        return Finding(about, "note", f"there is no model yet: all visitors are in {UNASSIGNED}", remedy)
    age_ms = now_ms - model.published_at
    said = f"{len(model.names)} in version {model.version}, published {duration(age_ms)} ago"
    if age_ms > STALE_FITS * settings.segments.interval_s * 1000:
        return Finding(about, "bad", f"{said}: it is stale", "Check that the fitter runs, and why it does not publish.")
    return Finding(about, "ok", said)


def view_findings(
    pages: Mapping[str, PageRules], model: SegmentModel | None, views: Mapping[tuple[str, str], int]
) -> Iterator[Finding]:
    """Pages of which many visitors are in no segment, or in one that is none of the model; by their last page views."""
    for page, rules in sorted(pages.items()):
        of_page = {segment: count for (name, segment), count in views.items() if name == page}
        total, served = sum(of_page.values()), served_segments(rules, model)
        if total < LEAST_VIEWS:
            continue
        about, other = f"segments of {page}", total - sum(of_page.get(name, 0) for name in served)
        if other > MOST_OTHER * total:
            observation = (
                f"{number(other)} of the last {number(total)} page views name a segment that is none of the model"
            )
            remedy = "Have whoever shows the page choose the segment by the model (docs/start/rendering.md)."
            yield Finding(about, "bad", observation, remedy)
        elif model and model.names and of_page.get(UNASSIGNED, 0) > MOST_UNASSIGNED * total:
            observation = (
                f"{number(of_page[UNASSIGNED])} of the last {number(total)} page views are by visitors in {UNASSIGNED}"
            )
            remedy = (
                "Few looked at items that the model knows: check that the tier keeps what visitors looked at, and how "
                "many of them agree to it."
            )
            yield Finding(about, "note", observation, remedy)
