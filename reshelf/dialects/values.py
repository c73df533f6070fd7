"""Texts, amounts, moments and digests from values of any type; what is none is empty, and nothing raises."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from reshelf.feeds.values import EXPONENTS
from schemas.times import FIRST_MS, LAST_MS, moment

MOST_DIGITS = 18
LONGEST_NAME = 60
LONGEST_BITS = 128
"""Of a number that is a name."""
_NUMBER = re.compile(rf"-?\d{{1,{MOST_DIGITS}}}(\.\d{{1,20}})?")
_LARGEST = Decimal(10) ** MOST_DIGITS


def text(value: Any) -> str:
    """A text or whole number as text without blanks at its ends; empty for everything else."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return ""
    if isinstance(value, int):
        return str(value) if value.bit_length() <= LONGEST_BITS else ""
    number = decimal(value)
    return "" if number is None or number != number.to_integral_value() else str(int(number))


def decimal(value: Any) -> Decimal | None:
    """A number as it is written; None for what is none, or has more than 18 digits before the point."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    if isinstance(value, str):
        return Decimal(value.strip()) if _NUMBER.fullmatch(value.strip()) and value.isascii() else None
    if isinstance(value, int):
        return Decimal(value) if abs(value) < 10**MOST_DIGITS else None
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    return number if number.is_finite() and abs(number) < _LARGEST else None


def whole(value: Any) -> int | None:
    """A whole number; None for what is none."""
    number = decimal(value)
    return None if number is None or number != number.to_integral_value() else int(number)


def total(price: Any, quantity: Any) -> Decimal | None:
    """What a line costs: a price, as often as the quantity says, or once; None where the price is none."""
    each, count = decimal(price), whole(quantity)
    return None if each is None else each * (1 if count is None else count)


def minor(amount: Decimal, currency: str) -> tuple[int, bool]:
    """An amount in minor units of the currency, and whether it had to be rounded to one."""
    units = amount.scaleb(EXPONENTS.get(currency, 2))
    rounded = units.to_integral_value()
    return int(rounded), rounded != units


def record(value: Any) -> Mapping[str, Any]:
    """An object by the names of its fields, or none."""
    return value if isinstance(value, dict) else {}


def records(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a list."""
    return (part for part in (value if isinstance(value, list | tuple) else ()) if isinstance(part, dict))


def within(value: Any, *path: str) -> Any:
    """What stands at a path of names; None where there is nothing."""
    for name in path:
        value = record(value).get(name)
    return value


def millis(value: Any) -> int | None:
    """Milliseconds since 1970 of a date with a time, in UTC where it names no zone; None for what is none."""
    if not isinstance(value, str | date):
        return None
    try:
        return plausible(moment(re.sub(r"\s*UTC$", "Z", value) if isinstance(value, str) else value, UTC))
    except (ValueError, OverflowError):
        return None


def plausible(at: int) -> int | None:
    """Milliseconds since 1970 that can be meant: between 1973 and 2100."""
    return at if FIRST_MS <= at <= LAST_MS else None


def printable(name: str, longest: int = LONGEST_NAME) -> str:
    """A foreign name as it may stand in a report."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in name[: longest + 1])
    return clean if len(clean) <= longest else clean[:longest] + "…"


def digest(*parts: Any) -> str:
    """32 characters that stand for these values; numbers count as the texts that they are written as."""
    joined = "\x1f".join(text(part) for part in parts)
    return blake2b(joined.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def number_of(name: Any) -> str:
    """The number at the end of a name like `gid://shopify/Product/123`, or the text as it is."""
    return text(name).rpartition("/")[2]
