"""All versions of all pages' rules, read once and then as they come."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from schemas.codec import decoder
from schemas.errors import BadRecord
from schemas.messages.pages import PageRules

MOST_VERSIONS = 200
"""Versions of a page that are kept to look at, the newest; `reshelf rules history` has all."""
MOST_PAGES = 1_000
"""Pages whose versions are kept: those published last."""

_decode = decoder(PageRules)
Row = dict[str, Any]


class RulesHistory:
    """Versions of pages as they are taken over; what is told of a version is worked out once."""

    def __init__(self) -> None:
        self._versions: OrderedDict[str, dict[int, PageRules]] = OrderedDict()
        self._rows: dict[tuple[str, int, int], Row] = {}

    def take(self, key: bytes, value: bytes | None) -> None:
        """Keep a version: of a number that two wrote the first counts.  What is no page is skipped."""
        if value is None:
            return
        try:
            rules: PageRules = _decode(value)
        except BadRecord:
            return
        self.keep(rules)

    def keep(self, rules: PageRules) -> None:
        """Keep a version that has its number; whoever published it need not wait until it is read."""
        versions = self._versions.setdefault(rules.page, {})
        self._versions.move_to_end(rules.page)
        versions.setdefault(rules.version, rules)
        if len(versions) > MOST_VERSIONS:
            del versions[min(versions)]
        if len(self._versions) > MOST_PAGES:
            self._versions.popitem(last=False)

    def versions(self, current: PageRules) -> list[PageRules]:
        """Versions of a page that are kept, oldest first, with the one in force."""
        versions = dict(self._versions.get(current.page, {})) | {current.version: current}
        return [versions[version] for version in sorted(versions)]

    def row(self, rules: PageRules, before: PageRules | None, make: Callable[[], Row]) -> Row:
        """What is told of a version beside the one before; `make` is called the first time."""
        key = rules.page, rules.version, before.version if before else 0
        if key not in self._rows:
            if len(self._rows) > 10 * MOST_VERSIONS:
                self._rows.clear()
            self._rows[key] = make()
        return self._rows[key]
