"""Prices, availability, texts and times as feeds write them."""

from __future__ import annotations

import re
from datetime import tzinfo
from decimal import Decimal, InvalidOperation
from html.parser import HTMLParser

from schemas.times import moment

NO_PLACES = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
THREE_PLACES = "BHD IQD JOD KWD LYD OMR TND"
EXPONENTS = dict.fromkeys(NO_PLACES.split(), 0) | dict.fromkeys(THREE_PLACES.split(), 3)
"""Decimal places of the currencies that have not two (ISO 4217)."""
UNAVAILABLE = {"out_of_stock", "preorder", "backorder", "discontinued"}
AVAILABLE = {"in_stock", "limited_availability"}
_PRICE = re.compile(r"([A-Z]{3})?\s*(\d+(?:[.,]\d+)?)\s*([A-Z]{3})?")


def price(text: str, currency: str) -> tuple[int, str]:
    """Minor units and currency of a price like `12.99 EUR`; without a currency it is in `currency`.

    Raises `ValueError` for what is none.
    """
    match = _PRICE.fullmatch(text.strip().upper())
    if match is None or re.search(r",\d{3}$", match[2]):
        raise ValueError(f"expected a price like 12.99 {currency}, got {text[:40]!r}")
    code = match[1] or match[3] or currency
    try:
        minor = Decimal(match[2].replace(",", ".")) * 10 ** EXPONENTS.get(code, 2)
    except InvalidOperation:
        raise ValueError(f"expected a price like 12.99 {currency}, got {text[:40]!r}") from None
    return int(minor.to_integral_value()), code


def availability(text: str) -> bool:
    """Whether an item can be bought now; raises `ValueError` for an unknown word."""
    word = text.strip().lower().replace(" ", "_").rsplit("/", 1)[-1]
    word = {"instock": "in_stock", "outofstock": "out_of_stock"}.get(word, word)
    if word in AVAILABLE:
        return True
    if word in UNAVAILABLE:
        return False
    raise ValueError(f"expected in_stock, out_of_stock, preorder or backorder, got {text[:40]!r}")


def flag(text: str) -> bool:
    """True or false as a table writes it; raises `ValueError`."""
    word = text.strip().lower()
    if word in ("true", "yes", "1", "active"):
        return True
    if word in ("false", "no", "0"):
        return False
    raise ValueError(f"expected true or false, got {text[:40]!r}")


def time(text: str, zone: tzinfo) -> int:
    """Milliseconds since 1970 of a time like `2026-12-01T06:00+0100` or `2026-12-01 06:00:00 UTC`."""
    word = text.strip()
    word = re.sub(r"\s*(UTC|GMT)$", "Z", word)
    return moment(re.sub(r"\s+([+-]\d\d:?\d\d)$", r"\1", word), zone)


class _Texts(HTMLParser):
    HIDDEN = ("script", "style")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden += tag in self.HIDDEN
        self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in self.HIDDEN))
        self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def plain(text: str) -> str:
    """The text of a piece of HTML, or a text as it is, with single blanks."""
    if "<" in text or "&" in text:
        parser = _Texts()
        parser.feed(text)
        parser.close()
        text = "".join(parser.parts)
    return " ".join(text.split())
