"""How large and how deep a YAML text may be: told before anything is built of it.

A few hundred bytes of aliases of aliases stand for billions of values, and a
parser of brackets within brackets may end the process, so both are counted over
the events of the parser, which takes one step for each.
"""

from __future__ import annotations

from typing import Any

import yaml

from reshelf.numbers import number

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C where PyYAML was built with it: ten times as fast."""
MOST_CHARACTERS = 4_000_000
MOST_VALUES = 200_000
"""Names and values of a text, those that an alias stands for included."""
LONGEST_VALUE = 5_000
"""Characters; what YAML takes for a number takes the square of its length to read."""
DEEPEST = 50

Excess = tuple[int, str]
"""A line (from 1) and what is wrong with it."""


def excess(text: str) -> Excess | None:
    """The line (from 1) at which a text is larger or deeper than it may be, and how; None where it is not.

    Raises yaml.YAMLError for what is no YAML.
    """
    if len(text) > MOST_CHARACTERS:
        return 1, f"expected at most {number(MOST_CHARACTERS)} characters, got {number(len(text))}"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return text.count("\n", 0, error.start) + 1, "expected characters, got half of a pair of surrogates"
    size = Size()
    for event in yaml.parse(text, Loader=LOADER):
        if wrong := size.take(event):
            return (event.start_mark.line if event.start_mark else 0) + 1, wrong
    return None


def unreadable(error: yaml.YAMLError | ValueError | OverflowError) -> Excess:
    """The line (from 1) at which a text cannot be read, and why."""
    if not isinstance(error, yaml.YAMLError):
        return 1, f"a value cannot be read: {error}"
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark else 1, f"not YAML: {getattr(error, 'problem', error)}"


class Size:
    """Counts values as the events of a parser come."""

    def __init__(self) -> None:
        self._open: list[tuple[str | None, int]] = []
        self._of_anchor: dict[str, int | None] = {}
        self._values = 0

    def take(self, event: yaml.Event) -> str:
        """Count an event; says what is too much, or nothing."""
        if isinstance(event, yaml.AliasEvent):
            values = self._of_anchor.get(event.anchor or "", 1)
            if values is None:
                return "an alias leads back to what it stands in"
            self._values += values
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = self._open.pop()
            self._name(anchor, self._values - before)
        elif isinstance(event, yaml.NodeEvent):
            self._begin(event)
            if isinstance(event, yaml.ScalarEvent) and len(event.value) > LONGEST_VALUE:
                return f"expected a value of at most {number(LONGEST_VALUE)} characters, got {number(len(event.value))}"
        if len(self._open) > DEEPEST:
            return f"nested too deeply: expected at most {DEEPEST} levels"
        if self._values > MOST_VALUES:
            return f"expected at most {number(MOST_VALUES)} names and values, those that aliases stand for included"
        return ""

    def _begin(self, event: yaml.NodeEvent) -> None:
        if isinstance(event, yaml.CollectionStartEvent):
            self._open.append((event.anchor, self._values))
        self._name(event.anchor, 1 if isinstance(event, yaml.ScalarEvent) else None)
        self._values += 1

    def _name(self, anchor: str | None, values: int | None) -> None:
        """An anchor stands for so many values; None: for one that is open still."""
        if anchor is not None:
            self._of_anchor[anchor] = values
