"""Whether a page may have learned segments as it says: by the settings, and by how many there would be."""

from __future__ import annotations

from collections.abc import Iterator

from policy.rules.kind import Problem
from reshelf.numbers import number
from reshelf.settings import Settings
from schemas.messages.pages import PageRules
from streams.layouts.segments.serving import is_learned

BESIDE = 2
"""`t00`, in which are those who are in no learned segment, and `*`."""


class SegmentCheck:
    """Says what cannot be meant of the segments of pages, one page of a file after the other."""

    def __init__(self, settings: Settings) -> None:
        self._learned = settings.segments.learned
        self._each = settings.segments.max_segments + BESIDE
        self._most = settings.fold.max_keys
        self._pages = 0

    def __call__(self, page: PageRules) -> Iterator[Problem]:
        """What is wrong with a page, each with its path."""
        if not page.has_learned_segments:
            return
        if not self._learned:
            yield Problem(
                "segments",
                "expected the setting segments.learned to be on, without which nobody learns segments: set "
                "RESHELF_SEGMENTS__LEARNED=true for all workers, or leave `segments` out",
            )
        self._pages += 1
        if (pairs := self._pages * self._each) > self._most:
            yield Problem(
                "segments",
                f"{number(self._pages)} pages with learned segments have {number(pairs)} pairs of page and segment, "
                f"{self._each} each: expected at most {number(self._most)} (fold.max_keys)",
            )
        yield from self._own_segments(page)

    def _own_segments(self, page: PageRules) -> Iterator[Problem]:
        """Segments of the shop's own beside learned ones: a visitor is in one segment of a page, a learned one."""
        named = (
            (f"rules[{at}].segments[{place}]", name)
            for at, rule in enumerate(page.rules)
            for place, name in enumerate(rule.segments)
            if name != "*" and not is_learned(name)
        )
        own = {name for rule in page.rules for name in rule.segments if name != "*" and not is_learned(name)}
        for path, name in named:
            yield Problem(
                path,
                f"no visitor of a page with learned segments is in {name!r}: {len(own)} own x {self._each} learned "
                f"segments would be {len(own) * self._each} of this page, each with a part of its visitors. Leave out "
                "`segments` of the rule, name learned ones there (`reshelf segments show`), or leave out `segments` "
                "of the page",
            )
