"""What people are told: guard-rails, rules that cannot hold, pins that are sold out, dead letters, old layouts."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from policy.items import ItemFacts
from policy.rules.matching import available
from reshelf.console.live_view import LiveView
from reshelf.console.notices.message import Notice
from reshelf.inspect.layout_store import LayoutStore, unpack
from reshelf.words.read import as_said, crossed
from reshelf.words.said import say
from schemas.messages.pages import PageRules
from schemas.rules import Pin
from streams.catalog.page import Key

LETTERS_MS = 600_000
"""Dead letters are counted over the last ten minutes."""
AT_A_TIME = 500
"""Layouts that are decoded in a round; the others wait for the next."""


class Facts(NamedTuple):
    """What holds at a time, in milliseconds: guard-rails that were crossed, by page; rules that layouts say could not
    hold, by page and segment; dead letters of the last minutes by topic; and how many layouts of how many expired.
    """

    at_ms: int
    guard_rails: Mapping[str, str]
    relaxed: Mapping[Key, Sequence[str]]
    rules: Mapping[str, PageRules]
    items: Mapping[str, ItemFacts]
    letters: Mapping[str, int]
    expired: tuple[int, int]


def notices(facts: Facts, least_letters: int) -> Iterator[Notice]:
    """All that holds, each once; `least_letters` of a topic make an alarm."""
    for page, rails in sorted(facts.guard_rails.items()):
        yield Notice("guard-rail", page, say("notice.guard-rail", page=page, why=crossed(rails)), "experiment", page)
    yield from _relaxed(facts.relaxed)
    yield from _sold_out(facts)
    for topic, count in sorted(facts.letters.items()):
        if count >= least_letters:
            where = topic or say("notice.no-topic")
            text = say("notice.letters", count=count, topic=where, minutes=LETTERS_MS // 60_000)
            yield Notice("dead-letters", topic, text, "pipeline")
    over, total = facts.expired
    if over:
        yield Notice("stale-layouts", "", say("notice.stale", expired=over, count=total), "pipeline")


def _relaxed(relaxed: Mapping[Key, Sequence[str]]) -> Iterator[Notice]:
    """A rule is told once for a page, with the segment that says it first and how many more there are."""
    said: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for (page, segment), texts in sorted(relaxed.items()):
        for text in texts:
            rule, _, why = text.partition(": ")
            said.setdefault((page, rule), []).append((segment, why))
    for (page, rule), cases in said.items():
        segment, why = cases[0]
        more = len({name for name, _ in cases}) - 1
        text = say(
            "notice.relaxed-more" if more else "notice.relaxed",
            page=page,
            rule=as_said(rule, "kind."),
            segment=segment,
            count=more,
            why=as_said(why, "relaxed."),
        )
        yield Notice("rule-cannot-hold", f"{page}\n{rule}", text, "rules", page)


def _sold_out(facts: Facts) -> Iterator[Notice]:
    for page, rules in sorted(facts.rules.items()):
        for rule in rules.rules:
            if not isinstance(rule, Pin) or not rule.starts_at <= facts.at_ms < rule.ends_at:
                continue
            item = facts.items.get(rule.item)
            if item is not None and not available(item, facts.at_ms):
                key = "notice.sold-out-above" if rule.or_above else "notice.sold-out"
                text = say(key, page=page, item=rule.item, slot=rule.slot, rule=rule.name)
                yield Notice("sold-out-pin", f"{page}\n{rule.name}\n{rule.item}", text, "rules", page)


class Watch:
    """Gathers facts from what the console sees; keeps what took long to find out."""

    def __init__(self) -> None:
        self._relaxed: dict[Key, tuple[int, tuple[str, ...]]] = {}
        self._letters: deque[tuple[int, Counter[str]]] = deque()

    def facts(self, view: LiveView, now_ms: int) -> Facts:
        """What holds now; decodes layouts that are new."""
        newest = view.layout_history.newest
        ends = [end for key, end in newest.expiries() if key.page in view.catalog.rules]
        return Facts(
            at_ms=now_ms,
            guard_rails={page: health.guard_rail for page, health in view.monitor.health.items() if health.guard_rail},
            relaxed=self.relaxed(newest, view.catalog.rules),
            rules=view.catalog.rules,
            items=view.catalog.items,
            letters=self.letters(view.dead_letters.by_topic(), now_ms),
            expired=(sum(end <= now_ms for end in ends), len(ends)),
        )

    def relaxed(self, newest: LayoutStore, pages: Iterable[str]) -> Mapping[Key, Sequence[str]]:
        """Of each layout of these pages what it says could not hold."""
        stored = {key: each for key, each in newest if key.page in pages}
        new = [key for key, each in stored.items() if self._relaxed.get(key, (-1, ()))[0] != each.version]
        for key in new[:AT_A_TIME]:
            self._relaxed[key] = stored[key].version, tuple(unpack(stored[key].packed).relaxed)
        for key in self._relaxed.keys() - stored.keys():
            del self._relaxed[key]
        return {key: texts for key, (_, texts) in self._relaxed.items() if texts}

    def letters(self, total: Counter[str], now_ms: int) -> Mapping[str, int]:
        """Dead letters by topic that came within the last minutes and since the first look."""
        self._letters.append((now_ms, total))
        while len(self._letters) > 1 and self._letters[1][0] <= now_ms - LETTERS_MS:
            self._letters.popleft()
        return total - self._letters[0][1]
