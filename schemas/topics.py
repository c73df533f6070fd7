"""The topic table: one row per topic, everything that an operator needs to create it and to give rights on it.

What a topic's records mean to the counts is a part of its row; which counts come of
them is declared in `streams.fold.measures`.
"""

from __future__ import annotations

from schemas.messages.catalog import CatalogEmbedding, CatalogItem
from schemas.messages.drafts import PageDraft
from schemas.messages.events import Click, Conversion, Credit, Impression, Purchase, Return, Signal
from schemas.messages.layouts import Layout, LayoutLife, LayoutRequest
from schemas.messages.pages import PageRules
from schemas.messages.parameters import PolicyParameters
from schemas.messages.segments import SegmentItems, SegmentModel, UnitSegment
from schemas.topic import Role, Topic

MINUTE_MS = 60_000
DAY_MS = 86_400_000

IMPRESSIONS = Topic(
    name="events-impressions",
    key="unit",
    message=Impression,
    cleanup="delete",
    retention_ms=30 * DAY_MS,
    about="Slots that visitors saw.",
    writers=(Role.WEB_TIER, Role.EDGE),
    readers=(Role.LEARNER, Role.FITTER, Role.EVALUATION),
    event=True,
    folded=True,
    unit_limit="unit_impressions",
    parts="slots",
)
CLICKS = Topic(
    name="events-clicks",
    key="unit",
    message=Click,
    cleanup="delete",
    retention_ms=30 * DAY_MS,
    about="Clicks on items in slots.",
    writers=(Role.WEB_TIER, Role.EDGE, Role.OPERATORS),
    readers=(Role.LEARNER, Role.ATTRIBUTION, Role.FITTER, Role.EVALUATION),
    tombstone="forget this unit",
    event=True,
    folded=True,
    unit_limit="unit_clicks",
    once_per_slot=True,
)
PURCHASES = Topic(
    name="events-purchases",
    key="unit",
    message=Purchase,
    cleanup="delete",
    retention_ms=30 * DAY_MS,
    about="Orders.",
    writers=(Role.WEB_TIER, Role.EDGE),
    readers=(Role.ATTRIBUTION, Role.FITTER),
    event=True,
    parts="lines",
)
SIGNALS = Topic(
    name="events-signals",
    key="unit",
    message=Signal,
    cleanup="delete",
    retention_ms=30 * DAY_MS,
    about="What visitors did with items between a click and an order.",
    writers=(Role.WEB_TIER, Role.EDGE),
    readers=(Role.ATTRIBUTION, Role.FITTER),
    event=True,
    later=True,
)
RETURNS = Topic(
    name="events-returns",
    key="unit",
    message=Return,
    cleanup="delete",
    retention_ms=30 * DAY_MS,
    about="Goods and money that went back.",
    writers=(Role.BACK_OFFICE,),
    readers=(Role.ATTRIBUTION,),
    event=True,
    later=True,
    parts="lines",
)
# Longer than purchases by more than a segment, as Kafka deletes no less at once: a new namespace decides again every
# purchase that is still there, and publishes what it does not find here.
CONVERSIONS = Topic(
    name="events-conversions",
    key="unit",
    message=Conversion,
    cleanup="delete",
    retention_ms=45 * DAY_MS,
    about="Purchase lines credited to clicks.",
    writers=(Role.ATTRIBUTION,),
    readers=(Role.LEARNER, Role.ATTRIBUTION, Role.EVALUATION),
    event=True,
    folded=True,
    time_field="clicked_at",
    refuses_late=False,
)
CREDITS = Topic(
    name="events-credits",
    key="unit",
    message=Credit,
    cleanup="delete",
    retention_ms=45 * DAY_MS,
    about="Signals and returned lines credited to clicks.",
    writers=(Role.ATTRIBUTION,),
    readers=(Role.LEARNER, Role.ATTRIBUTION, Role.EVALUATION),
    event=True,
    folded=True,
    later=True,
    time_field="clicked_at",
    refuses_late=False,
)
CATALOG_ITEMS = Topic(
    name="catalog-items",
    key="item",
    message=CatalogItem,
    cleanup="compact",
    retention_ms=-1,
    about="The catalog.",
    writers=(Role.CATALOG_TEAM,),
    readers=(Role.ENCODER, Role.LAYOUTS, Role.FITTER, Role.CONSOLE, Role.EVALUATION),
    tombstone="the item is gone",
)
CATALOG_EMBEDDINGS = Topic(
    name="catalog-embeddings",
    key="item",
    message=CatalogEmbedding,
    cleanup="compact",
    retention_ms=-1,
    about="Item texts as vectors.",
    writers=(Role.ENCODER,),
    readers=(Role.ENCODER, Role.LAYOUTS, Role.FITTER, Role.CONSOLE, Role.EVALUATION),
    tombstone="the item is gone",
)
PAGE_RULES = Topic(
    name="page-rules",
    key="page",
    message=PageRules,
    cleanup="compact",
    retention_ms=-1,
    about="Pages as merchandisers declare them.",
    writers=(Role.MERCHANDISERS, Role.CONSOLE),
    readers=(Role.MERCHANDISERS, Role.ATTRIBUTION, Role.FITTER, Role.LAYOUTS, Role.CONSOLE, Role.EVALUATION),
    tombstone="the page is no longer arranged",
)
PAGE_RULES_HISTORY = Topic(
    name="page-rules-history",
    key="page",
    message=PageRules,
    cleanup="delete",
    retention_ms=-1,
    about="Every published version of a page: who, when and why.",
    writers=(Role.MERCHANDISERS, Role.CONSOLE),
    readers=(Role.MERCHANDISERS, Role.CONSOLE),
)
PAGE_DRAFTS = Topic(
    name="page-drafts",
    key="draft",
    message=PageDraft,
    cleanup="compact",
    retention_ms=-1,
    about="Drafts of pages' rules, by name, and whether they wait for approval.",
    writers=(Role.MERCHANDISERS, Role.CONSOLE),
    readers=(Role.MERCHANDISERS, Role.CONSOLE),
    tombstone="the draft is published or deleted",
)
POLICY_PARAMETERS = Topic(
    name="policy-parameters",
    key="page",
    message=PolicyParameters,
    cleanup="compact",
    retention_ms=-1,
    about="What was fitted for each page.",
    writers=(Role.FITTER,),
    readers=(Role.FITTER, Role.LAYOUTS, Role.CONSOLE, Role.EVALUATION),
    tombstone="use the defaults",
)
LAYOUT_REQUESTS = Topic(
    name="layout-requests",
    key="page, segment",
    message=LayoutRequest,
    cleanup="delete",
    retention_ms=DAY_MS // 24,
    segment_ms=10 * MINUTE_MS,
    log_time=True,
    about="Keys whose statistics changed.",
    writers=(Role.LEARNER,),
    readers=(Role.LAYOUTS,),
)
LAYOUTS = Topic(
    name="layouts",
    key="page, segment",
    message=Layout,
    cleanup="compact",
    retention_ms=-1,
    segment_ms=10 * MINUTE_MS,
    about="The newest layout of each page and segment.",
    writers=(Role.LAYOUTS,),
    readers=(Role.RENDERERS, Role.EDGE, Role.LAYOUTS, Role.CONSOLE, Role.EVALUATION),
    tombstone="no layout: use the fallback",
)
LAYOUT_LIVES = Topic(
    name="layout-lives",
    key="life",
    message=LayoutLife,
    cleanup="compact",
    retention_ms=-1,
    segment_ms=10 * MINUTE_MS,
    log_time=True,
    about="How long the newest layouts are good that did not change.",
    writers=(Role.LAYOUTS,),
    readers=(Role.RENDERERS, Role.EDGE, Role.LAYOUTS, Role.CONSOLE),
    tombstone="it says nothing any more",
)
LAYOUTS_HISTORY = Topic(
    name="layouts-history",
    key="page, segment",
    message=Layout,
    cleanup="delete",
    retention_ms=90 * DAY_MS,
    log_time=True,
    about="Every published layout.",
    writers=(Role.LAYOUTS,),
    readers=(Role.EVALUATION,),
)
SEGMENTS = Topic(
    name="segments",
    key="part",
    message=SegmentModel,
    other_messages=(SegmentItems,),
    cleanup="compact",
    retention_ms=-1,
    about="The model of learned segments, under the key `model`, and its items in parts, under `items/0` and so on.",
    writers=(Role.FITTER,),
    readers=(Role.RENDERERS, Role.EDGE, Role.FITTER, Role.LAYOUTS),
    tombstone="the part is gone",
)
SEGMENTS_HISTORY = Topic(
    name="segments-history",
    key="part",
    message=SegmentModel,
    cleanup="delete",
    retention_ms=-1,
    log_time=True,
    about="Every published model of learned segments, without its items.",
    writers=(Role.FITTER,),
    readers=(Role.FITTER, Role.OPERATORS),
)
# Closed by the hour, so that the segment of a visitor who is to be forgotten is not kept behind its null value.
UNIT_SEGMENTS = Topic(
    name="unit-segments",
    key="unit",
    message=UnitSegment,
    cleanup="compact",
    retention_ms=-1,
    segment_ms=60 * MINUTE_MS,
    about="The learned segment of each visitor of the sample, where `segments.publish_units` is set.",
    writers=(Role.FITTER,),
    readers=(Role.RENDERERS, Role.EDGE, Role.FITTER),
    tombstone="the visitor is in `t00`",
)
DEAD_LETTERS = Topic(
    name="dead-letters",
    key="as came",
    message=None,
    cleanup="delete",
    retention_ms=90 * DAY_MS,
    log_time=True,
    about="Records that did not fit, with the reason in headers.",
    writers=(Role.LEARNER, Role.ATTRIBUTION, Role.ENCODER),
    readers=(Role.LEARNER, Role.ATTRIBUTION, Role.OPERATORS, Role.CONSOLE),
)

TOPICS: tuple[Topic, ...] = (
    *(IMPRESSIONS, CLICKS, PURCHASES, SIGNALS, RETURNS, CONVERSIONS, CREDITS),
    *(CATALOG_ITEMS, CATALOG_EMBEDDINGS, PAGE_RULES, PAGE_RULES_HISTORY, PAGE_DRAFTS, POLICY_PARAMETERS),
    *(LAYOUT_REQUESTS, LAYOUTS, LAYOUT_LIVES, LAYOUTS_HISTORY),
    *(SEGMENTS, SEGMENTS_HISTORY, UNIT_SEGMENTS),
    DEAD_LETTERS,
)
BY_NAME: dict[str, Topic] = {topic.name: topic for topic in TOPICS}
EVENT_TOPICS: tuple[Topic, ...] = tuple(topic for topic in TOPICS if topic.event)
FOLDED_TOPICS: tuple[Topic, ...] = tuple(topic for topic in TOPICS if topic.folded)


def written_by(role: Role) -> tuple[Topic, ...]:
    """The topics that a role writes, in the order of the table."""
    return tuple(topic for topic in TOPICS if role in topic.writers)
