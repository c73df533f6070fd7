"""Events as other trackers export them, as events of the contract.

A dialect reads a row of an export and says what a visitor did (`action`); `events` makes the
messages, the same way for all dialects.  Both are pure functions of the row: it becomes events,
or there is one reason why it does not.

- `action`: what a row of any dialect says, before it is an event
- `entry`: a row on its way to events: what is left out of it, and what all its events share
- `events`: what a visitor did, to events of the contract
- `ga4`: Google Analytics 4: rows of its export to BigQuery
- `order_events`: orders and what goes back of them, to events of the contract
- `report`: what became of an export: events by kind, rows left out and why, and what to do
- `rows`: rows of an export: lines of JSON, plain or packed by gzip, or Parquet
- `segment`: Segment: `track` calls of its e-commerce events
- `shopify`: Shopify: events of its web pixels, and orders
- `snowplow`: Snowplow: enriched events of its e-commerce plug-in
- `values`: texts, amounts, moments and digests from values of any type
"""

from reshelf.dialects import ga4, segment, snowplow
from reshelf.dialects.action import Read
from reshelf.dialects.shopify import pixels

__all__ = ["DIALECTS", "stem"]

DIALECTS: dict[str, Read] = {
    "ga4": ga4.read,
    "segment": segment.read,
    "snowplow": snowplow.read,
    "shopify": pixels.read,
}


def stem(dialect: str) -> str:
    """What all event ids of a dialect begin with."""
    return f"{dialect}-"
