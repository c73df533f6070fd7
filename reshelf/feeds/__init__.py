"""Catalog feeds that shops have already, as lines of the topic catalog-items.

A feed is read as a stream, whatever its size, and its columns or elements become fields of
items; what was mapped, dropped and left out is counted, with the reason.

- `entry`: the fields of one product as texts, to an item
- `google`: Google Merchant: RSS 2.0 or Atom with its namespace, and values between tabs
- `report`: what became of a feed: mapped, dropped, left out and why
- `rows`: values between tabs or commas, as a stream of named values
- `shopify`: Shopify: the export of products as CSV, and JSON lines of bulk operations or of its REST interface
- `values`: prices, availability, texts and times as feeds write them
- `xml`: elements of an XML feed, without entities, and within limits
"""

from reshelf.feeds.google import google_tsv, google_xml
from reshelf.feeds.report import FeedReport
from reshelf.feeds.shopify import shopify_csv, shopify_jsonl

__all__ = ["FORMATS", "FeedReport"]

FORMATS = {
    "google-xml": google_xml,
    "google-tsv": google_tsv,
    "shopify-csv": shopify_csv,
    "shopify-jsonl": shopify_jsonl,
}
