"""What of an item is encoded, as one text, and the hash that says whether it changed.

The template puts first what says most, because a text that is longer than the
model reads loses its end:

    title
    category | brand | tag, tag | name: value, name: value
    description

Empty parts are left out.  Punctuation between the parts is the same in every
language, and nothing is cut, folded or lower-cased here: that is the tokenizer's
business.  Price, stock, margin and dates are not part of it, so they cost no encoding.
"""

from __future__ import annotations

import unicodedata
from hashlib import sha256

from schemas.messages.catalog import CatalogItem

TEMPLATE = "1"
"""Raised whenever the same item would give another text."""


def text_of(item: CatalogItem) -> str:
    """The item's text, in Unicode's composed form (NFC), so that two spellings of one letter are one text."""
    attributes = ", ".join(f"{name}: {value}" for name, value in sorted(item.attributes.items()))
    facts = " | ".join(part for part in (item.category, item.brand, ", ".join(item.tags), attributes) if part)
    return unicodedata.normalize("NFC", "\n".join(part for part in (item.title, facts, item.description) if part))


def content_hash(text: str) -> str:
    """128 bits of SHA-256 over template and text, in hexadecimal."""
    return sha256(f"{TEMPLATE}\n{text}".encode(errors="surrogatepass")).hexdigest()[:32]
