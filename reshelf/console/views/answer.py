"""Why an item stands where it stands, in one sentence: what decided it, and where it would be otherwise."""

from __future__ import annotations

from datetime import datetime, tzinfo

from policy.rules.compiled import in_force
from policy.rules.kinds.pin import slots_of_pin
from schemas.messages.pages import PageRules
from schemas.rules import FOR_EVER, Boost, Pin, Rule, Sponsored
from streams.layouts.explain import Arm, Explanation


def answer(
    rules: PageRules, explanation: Explanation, arm: Arm, cell: tuple[str, str], now_ms: int, zone: tzinfo
) -> str:
    """The first thing to know of an arm in a cell: a slot for a segment.  Ranks are by click rate, the best first."""
    arms, (slot, segment) = explanation.arms, cell
    rank = next(at for at, other in enumerate(arms, 1) if other is arm)
    alone = f"it would be {ordinal(rank)} of {len(arms):,} by its clicks"
    named = [rule for rule in rules.rules if in_force(rule, segment, now_ms)]
    pin = next((rule for rule in named if isinstance(rule, Pin) and rule.item == arm.item), None)
    if pin is not None and not slots_of_pin(pin, rules.slots).isdisjoint(arm.slots):
        return f"Pinned {_where(pin, slot)}{_until(pin, zone)}, for {pin.name}; on its own {alone}."
    if arm.slots.get(slot) and (ad := _sponsored(named, arm, slot)):
        return f"Sponsored here by {ad.name}{_until(ad, zone)}; on its own {alone}."
    if explanation.layout.guard_rail:
        return f"The page shows its baseline to everybody, as a guard-rail was crossed; {alone}."
    if (off := _kept_off(named, arm)) and not arm.slots:
        return f"Kept off the page by {off}; otherwise {alone}."
    share = arm.slots.get(slot, 0.0)
    likely = f"{ordinal(rank)} of {len(arms):,} items by clicks once looked at"
    if share:
        return f"{share:.0%} of visitors see it here: it is {likely}."
    if arm.slots:
        best = max(arm.slots, key=lambda name: arm.slots[name])
        return f"It stands in {best} rather than here, for {arm.slots[best]:.0%} of visitors: it is {likely}."
    return f"Nobody sees it on this page now: it is {likely}."


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def _where(pin: Pin, slot: str) -> str:
    return ("here" if pin.slot == slot else f"in {pin.slot}") + (" or above" if pin.or_above else "")


def _until(rule: Rule, zone: tzinfo) -> str:
    if rule.ends_at >= FOR_EVER:
        return ""
    return f" until {datetime.fromtimestamp(rule.ends_at / 1000, zone):%A, %-d %B}"


def _sponsored(rules: list[Rule], arm: Arm, slot: str) -> Sponsored | None:
    ads = [rule for rule in rules if isinstance(rule, Sponsored) and rule.slot == slot]
    return next((rule for rule in ads if any(rule.name in text for text in arm.rules)), None)


def _kept_off(rules: list[Rule], arm: Arm) -> str:
    off = [rule for rule in rules if isinstance(rule, Boost) and rule.factor == 0.0]
    return next((rule.name for rule in off if any(rule.name in text for text in arm.rules)), "")
