"""Numbers as people read them in the console, the report and the terminal: one look for all.

`console/static/numbers.js` is the same for browsers; tests hold both to the same examples.  What is not known is a
dash.  Ties are rounded away from zero, and what rounds to zero has no sign.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal

UNKNOWN, MINUS = "–", "−"
WITHOUT = {
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF",
    "XOF", "XPF",
}  # fmt: skip
"""Currencies whose unit has no parts, by ISO 4217."""
THOUSANDS = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}
"""Those whose unit has a thousand parts; all others have a hundred."""
SYMBOLS = {"EUR": "€", "GBP": "£", "USD": "$"}
"""Signs that mean one currency alone, as prices are told; all others go by their code."""


def number(value: float | None, digits: int = 0) -> str:
    """With so many digits behind the point, thousands apart."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    rounded = Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{MINUS if rounded < 0 else ''}{abs(rounded):,}"


def quantity(value: float | None) -> str:
    """An amount of any size with as many digits as tell it: all before the point, few behind it."""
    return number(value, _digits(value or 0.0))


def figures(value: float | None, most: int = 4) -> str:
    """With as many digits as it has, at most so many that count, and all before the point."""
    if value is None or not math.isfinite(value) or value == 0.0:
        return number(value)
    text = number(value, max(0, most - 1 - math.floor(math.log10(abs(value)))))
    return text.rstrip("0").rstrip(".") if "." in text else text


def p_value(value: float) -> str:
    """How likely chance alone would do as much; what is smaller than anybody asks is told as that."""
    return "below 0.001" if value < 0.001 else number(value, 3)


def share(value: float | None, digits: int = 1) -> str:
    """A part of one, in percent."""
    text = number(None if value is None else value * 100, digits)
    return text if text == UNKNOWN else f"{text}%"


def signed(value: float | None, form: Callable[[float], str] = quantity) -> str:
    """A difference: as `form` has it, with its sign."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    text = form(abs(value))
    if not any("1" <= digit <= "9" for digit in text):
        return text
    return f"{'+' if value > 0 else MINUS}{text}"


def difference(value: float | None, digits: int = 0) -> str:
    """A difference with so many digits behind the point, with its sign."""
    return signed(value, lambda size: number(size, digits))


def gain(value: float | None, digits: int = 1) -> str:
    """A relative difference, in percent with its sign."""
    return signed(value, lambda size: share(size, digits))


def between(low: float | None, high: float | None, form: Callable[[float | None], str] = gain) -> str:
    """The bounds of an interval; a dash where one is not known."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return UNKNOWN
    return f"{form(low)} to {form(high)}"


def money(minor: float | None, currency: str) -> str:
    """An amount in minor units, in the currency's own."""
    return _money(minor, currency, parts_digits(currency))


def outcome(name: str, value: float, currency: str) -> str:
    """How much of an outcome there is in a page view, or in many; of revenue with its currency, from minor units."""
    if not name.endswith("revenue"):
        return quantity(value)
    own = parts_digits(currency)
    return _money(value, currency, max(own, _digits(value / 10**own)))


def parts_digits(currency: str) -> int:
    """How many digits the parts of a currency's unit have."""
    return 0 if currency in WITHOUT else 3 if currency in THOUSANDS else 2


def _money(minor: float | None, currency: str, digits: int) -> str:
    if minor is None or not math.isfinite(minor):
        return UNKNOWN
    text, sign = number(minor / 10 ** parts_digits(currency), digits), SYMBOLS.get(currency, f"{currency} ")
    return f"{MINUS}{sign}{text[1:]}" if text.startswith(MINUS) else f"{sign}{text}"


def _digits(value: float) -> int:
    size = abs(value)
    return 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 or size == 0 else 4
