"""Events as other trackers export them, as events of the contract.

A dialect reads a row of an export and says what a visitor did (`action`); `events` makes the
messages, the same way for all dialects.  Both are pure functions of the row: it becomes events,
or there is one reason why it does not.

- `action`: what a row of any dialect says, before it is an event
- `events`: what a visitor did, to events of the contract
- `ga4`: Google Analytics 4: rows of its export to BigQuery
- `report`: what became of an export: events by kind, rows left out and why, and what to do
- `rows`: rows of an export: lines of JSON, plain or packed by gzip, or Parquet
- `segment`: Segment: `track` calls of its e-commerce events
- `shopify`: Shopify: events of its web pixels, and orders
- `shopify_orders`: Shopify: orders of its Admin interface, with what went back of them
- `shopify_products`: Shopify: which item a product or variant of an event or order is
- `snowplow`: Snowplow: enriched events of its e-commerce plug-in
- `values`: texts, amounts, moments and digests from values of any type
"""

from reshelf.dialects import ga4, segment, shopify, snowplow
from reshelf.dialects.action import Read

__all__ = ["DIALECTS", "stem"]

DIALECTS: dict[str, Read] = {
    "ga4": ga4.read,
    "segment": segment.read,
    "snowplow": snowplow.read,
    "shopify": shopify.read,
}


def stem(dialect: str) -> str:
    """What all event ids of a dialect begin with."""
    return f"{dialect}-"
