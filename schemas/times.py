"""Moments: milliseconds since 1970 in messages, dates where people write them.

A number that is none of the milliseconds which anybody means is in another unit, and
`odd_unit` says in which; a date is read by `moment`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from msgspec import inspect

FIRST_MS = 100_000_000_000
"""March 1973.  Seconds since 1970 of any day until the year 5138 are less."""
LAST_MS = 4_102_444_800_000
"""The year 2100; 0 and this say that there is no bound."""
LEAST_SECONDS, MOST_SECONDS = FIRST_MS // 1_000, LAST_MS // 1_000
UNITS = (("seconds", 1_000, 1), ("microseconds", 1, 1_000), ("nanoseconds", 1, 1_000_000))
EXAMPLE = "2026-12-01T06:00:00+01:00"

DURATIONS = ("delay",)
"""Fields with the limits of a moment that are none."""

Places = Mapping[str, "Places | None"]
"""Names of fields that hold a moment (None), or lists or structs in which some do."""
_places_of: dict[type, Places] = {}


def odd_unit(value: float) -> str:
    """What a number looks like that cannot be meant as milliseconds since 1970; empty where it can, 0 included."""
    if value == 0 or FIRST_MS <= value <= LAST_MS:
        return ""
    for unit, times, parts in UNITS:
        millis = value * times // parts
        if FIRST_MS <= millis <= LAST_MS:
            return f"{value} looks like {unit} since 1970 ({in_words(int(millis))}); in milliseconds it is {millis:.0f}"
    if 19_730_000 <= value <= 21_001_231:
        return f"{value} looks like a date written as a number"
    return f"{value} ms are {in_words(int(value))}" if 0 < value < FIRST_MS else f"{value} ms are beyond the year 2099"


def in_words(millis: int, zone: tzinfo = UTC) -> str:
    """A moment as an ISO time with its zone."""
    when = datetime.fromtimestamp(millis // 1000, zone).replace(microsecond=millis % 1000 * 1000)
    return when.isoformat(timespec="milliseconds" if millis % 1000 else "seconds").replace("+00:00", "Z")


def moment(value: str | date, zone: tzinfo = UTC) -> int:
    """Milliseconds since 1970 of an ISO date or time; without a zone of its own it is in `zone`.

    Raises `ValueError` for what is no date, and for a time that clocks of the zone skip or show twice.
    """
    if isinstance(value, str):
        text = value.strip()
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"expected a date or time like {EXAMPLE}, got {text!r}") from None
        if len(text) <= len("2026-W49-2"):
            value = value.date()
    if not isinstance(value, datetime):
        return round(datetime(value.year, value.month, value.day, tzinfo=zone).timestamp() * 1000)
    if value.tzinfo is None:
        _require_once(value, zone)
        value = value.replace(tzinfo=zone)
    return round((value - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def _require_once(when: datetime, zone: tzinfo) -> None:
    first, second = (when.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        is_there = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == when
        what = "is twice" if is_there else "is not there"
        raise ValueError(f"{when} {what} in {zone}, where clocks change; write the zone, too, like {EXAMPLE}")


def read_moments(content: Any, message: type, zone: tzinfo) -> Any:
    """The content of a message with dates of its moments as milliseconds; raises `ValueError` for what is no date."""
    for path, holder, name, value in list(_leaves(content, moments_of(message), "")):
        if isinstance(value, str | date):
            try:
                holder[name] = moment(value, zone)
            except ValueError as error:
                raise ValueError(f"{error} - at `$.{path}`") from None
    return content


def odd_moments(message: Any) -> Iterator[tuple[str, str]]:
    """Where in a message a moment is in another unit than milliseconds, and what it looks like."""
    for path, _, _, value in _leaves(message, moments_of(type(message)), ""):
        if odd := odd_unit(value):
            yield path, f"expected milliseconds since 1970: {odd}"


def _leaves(content: Any, places: Places, path: str) -> Iterator[tuple[str, MutableMapping[str, Any], str, Any]]:
    plain = isinstance(content, dict)
    for name, inside in places.items():
        value = content.get(name) if plain else getattr(content, name, None)
        if value is None:
            continue
        if inside is None:
            yield path + name, content, name, value
        elif isinstance(value, list):
            for at, part in enumerate(value):
                yield from _leaves(part, inside, f"{path}{name}[{at}].")
        else:
            yield from _leaves(value, inside, f"{path}{name}.")


def moments_of(message: type) -> Places:
    """Which fields of a message hold moments; empty where none does."""
    if message not in _places_of:
        _places_of[message] = _places(inspect.type_info(message)) or {}
    return _places_of[message]


def _places(kind: inspect.Type) -> Places | None:
    match kind:
        case inspect.Metadata(type=inner) | inspect.ListType(item_type=inner):
            return _places(inner)
        case inspect.IntType(le=most) if most == LAST_MS:
            return None
        case inspect.UnionType(types=some):
            return {name: inside for each in some for name, inside in (_places(each) or {}).items()}
        case inspect.StructType(fields=fields):
            inside = {field.name: _places(field.type) for field in fields if field.name not in DURATIONS}
            return {name: places for name, places in inside.items() if places != {}}
    return {}
