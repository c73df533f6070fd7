"""The topic table: one row per topic, everything that an operator needs to create it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from schemas import messages as m

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: `name` is without the prefix, `key` says what the record key holds.

    Keys of one name (`unit`, `item`, `page`) are that text in UTF-8; the key
    `page, segment` is the JSON array of both.
    """

    name: str
    key: Literal["unit", "item", "page", "page, segment", "as came"]
    message: type[Struct] | None
    cleanup: Literal["delete", "compact"]
    retention_ms: int
    about: str
    event: bool = False
    tombstone: str = ""


IMPRESSIONS = Topic(
    "events-impressions", "unit", m.Impression, "delete", 30 * DAY_MS, "Slots that visitors saw.", event=True
)
CLICKS = Topic(
    "events-clicks",
    "unit",
    m.Click,
    "delete",
    30 * DAY_MS,
    "Clicks on items in slots.",
    event=True,
    tombstone="forget this unit",
)
PURCHASES = Topic("events-purchases", "unit", m.Purchase, "delete", 30 * DAY_MS, "Orders.", event=True)
# Longer than purchases by more than a segment, as Kafka deletes no less at once: a new namespace decides again every
# purchase that is still there, and publishes what it does not find here.
CONVERSIONS = Topic(
    "events-conversions", "unit", m.Conversion, "delete", 45 * DAY_MS, "Purchase lines credited to clicks.", event=True
)
CATALOG_ITEMS = Topic(
    "catalog-items", "item", m.CatalogItem, "compact", -1, "The catalog.", tombstone="the item is gone"
)
CATALOG_EMBEDDINGS = Topic(
    "catalog-embeddings",
    "item",
    m.CatalogEmbedding,
    "compact",
    -1,
    "Item texts as vectors.",
    tombstone="the item is gone",
)
PAGE_RULES = Topic(
    "page-rules",
    "page",
    m.PageRules,
    "compact",
    -1,
    "Pages as merchandisers declare them.",
    tombstone="the page is no longer arranged",
)
PAGE_RULES_HISTORY = Topic(
    "page-rules-history",
    "page",
    m.PageRules,
    "delete",
    -1,
    "Every published version of a page: who, when and why.",
)
POLICY_PARAMETERS = Topic(
    "policy-parameters",
    "page",
    m.PolicyParameters,
    "compact",
    -1,
    "What was fitted for each page.",
    tombstone="use the defaults",
)
LAYOUT_REQUESTS = Topic(
    "layout-requests", "page, segment", m.LayoutRequest, "delete", DAY_MS // 24, "Keys whose statistics changed."
)
LAYOUTS = Topic(
    "layouts",
    "page, segment",
    m.Layout,
    "compact",
    -1,
    "The newest layout of each page and segment.",
    tombstone="no layout: use the fallback",
)
LAYOUTS_HISTORY = Topic("layouts-history", "page, segment", m.Layout, "delete", 90 * DAY_MS, "Every published layout.")
DEAD_LETTERS = Topic(
    "dead-letters", "as came", None, "delete", 90 * DAY_MS, "Records that did not fit, with the reason in headers."
)

TOPICS: tuple[Topic, ...] = (
    IMPRESSIONS,
    CLICKS,
    PURCHASES,
    CONVERSIONS,
    CATALOG_ITEMS,
    CATALOG_EMBEDDINGS,
    PAGE_RULES,
    PAGE_RULES_HISTORY,
    POLICY_PARAMETERS,
    LAYOUT_REQUESTS,
    LAYOUTS,
    LAYOUTS_HISTORY,
    DEAD_LETTERS,
)
BY_NAME: dict[str, Topic] = {topic.name: topic for topic in TOPICS}
EVENT_TOPICS: tuple[Topic, ...] = tuple(topic for topic in TOPICS if topic.event)
