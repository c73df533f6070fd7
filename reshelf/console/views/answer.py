"""Why an item stands where it stands, in one sentence: what decided it, and where it would be otherwise."""

from __future__ import annotations

from datetime import datetime, tzinfo

from policy.rules.compiled import in_force
from policy.rules.kinds.pin import slots_of_pin
from reshelf.numbers import number, share
from reshelf.words.said import say
from schemas.messages.pages import PageRules
from schemas.rules import FOR_EVER, Boost, Pin, Rule, Sponsored
from streams.layouts.explain import Arm, Explanation


def answer(
    rules: PageRules, explanation: Explanation, arm: Arm, cell: tuple[str, str], now_ms: int, zone: tzinfo
) -> str:
    """The first thing to know of an arm in a cell: a slot for a segment.  Ranks are by click rate, the best first."""
    arms, (slot, segment) = explanation.arms, cell
    rank = next(at for at, other in enumerate(arms, 1) if other is arm)
    alone = say("why.alone", rank=ordinal(rank), count=len(arms))
    named = [rule for rule in rules.rules if in_force(rule, segment, now_ms)]
    pin = next((rule for rule in named if isinstance(rule, Pin) and rule.item == arm.item), None)
    if pin is not None and not slots_of_pin(pin, rules.slots).isdisjoint(arm.slots):
        return say("why.pinned", where=_where(pin, slot), until=_until(pin, zone), rule=pin.name, alone=alone)
    if arm.slots.get(slot) and (ad := _sponsored(named, arm, slot)):
        return say("why.sponsored", rule=ad.name, until=_until(ad, zone), alone=alone)
    if explanation.layout.guard_rail:
        return say("why.baseline", alone=alone)
    if (off := _kept_off(named, arm)) and not arm.slots:
        return say("why.kept-off", rule=off, alone=alone)
    likely = say("why.likely", rank=ordinal(rank), count=len(arms))
    if here := arm.slots.get(slot, 0.0):
        return say("why.seen", share=share(here, 0), likely=likely)
    if arm.slots:
        best = max(arm.slots, key=lambda name: arm.slots[name])
        return say("why.elsewhere", slot=best, share=share(arm.slots[best], 0), likely=likely)
    return say("why.nobody", likely=likely)


def ordinal(rank: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    ending = "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return say(f"ordinal.{ending}", number=number(rank))


def _where(pin: Pin, slot: str) -> str:
    if pin.or_above:
        return say("why.here-or-above") if pin.slot == slot else say("why.or-above", slot=pin.slot)
    return say("why.here") if pin.slot == slot else say("why.in", slot=pin.slot)


def _until(rule: Rule, zone: tzinfo) -> str:
    if rule.ends_at >= FOR_EVER:
        return ""
    end = datetime.fromtimestamp(rule.ends_at / 1000, zone)
    weekday, month = say(f"weekday.{end.weekday()}"), say(f"month.{end.month}")
    return say("why.until", day=say("day", weekday=weekday, day=str(end.day), month=month))


def _sponsored(rules: list[Rule], arm: Arm, slot: str) -> Sponsored | None:
    ads = [rule for rule in rules if isinstance(rule, Sponsored) and rule.slot == slot]
    return next((rule for rule in ads if any(rule.name in text for text in arm.rules)), None)


def _kept_off(rules: list[Rule], arm: Arm) -> str:
    off = [rule for rule in rules if isinstance(rule, Boost) and rule.factor == 0.0]
    return next((rule.name for rule in off if any(rule.name in text for text in arm.rules)), "")
