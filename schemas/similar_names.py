"""Names that people would take for one: they differ by Unicode form, case or blanks at their ends alone.

To Reshelf they are different arms, slots or brands, each with counts of its own, which is hardly meant.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator


def folded(name: str) -> str:
    """What names have in common that people would take for one."""
    if name.isascii():
        return name.strip().lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def difference(name: str, other: str) -> str:
    """How two names differ that are folded to the same."""
    forms = unicodedata.normalize("NFKC", name), unicodedata.normalize("NFKC", other)
    stripped = [form.strip() for form in forms]
    by = [
        "blanks at an end" if forms[0] != stripped[0] or forms[1] != stripped[1] else "",
        "case" if stripped[0] != stripped[1] else "",
        "Unicode form" if forms != (name, other) else "",
    ]
    return " and ".join(filter(None, by)) or "case"


class SimilarNames:
    """Notices names of one kind that are similar to an earlier one, each once."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._first: dict[str, str] = {}
        self._said = set[str]()

    def take(self, name: str) -> str:
        """Note a name; says what it is similar to, or that there are blanks at its ends, where it was not said yet."""
        first = self._first.setdefault(folded(name), name)
        blanks = name != name.strip()
        if (first == name and not blanks) or name in self._said:
            return ""
        self._said.add(name)
        if first != name:
            return f"{self._kind} {name!r} differs from {first!r} by {difference(name, first)} alone: they are two"
        return f"{self._kind} {name!r} has blanks at an end"

    def take_all(self, names: Iterable[str]) -> Iterator[str]:
        """The same of several, without those that there is nothing to say of."""
        return filter(None, map(self.take, names))


def near_miss(name: str, names: Iterable[str]) -> str:
    """A name among `names` that people would take for this one, which is not among them; empty where none is."""
    form = folded(name)
    return next((other for other in names if folded(other) == form), "")
