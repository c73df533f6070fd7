"""Signals a second from the log into the state, beside impressions: attribution credits, and the learner counts.

Purchases, which attribution decides by the same steps, say how much of that is how attribution works at all, and
`bench.events.bound` what reading signals and writing credits costs before anything is decided.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

from bench.events.log import ITEMS, PAGES, SEGMENTS, UNITS, VARIANTS, publish
from bench.events.pipeline import LIMIT_S, Say, time_rounds
from bench.events.race import OURS, Contender, Timing, time_contender
from policy.attribution.clicks import click_record
from policy.attribution.outcomes import signal_credit
from reshelf.settings import Settings
from schemas.messages.events import Click, Credit, Purchase, PurchaseLine, Signal
from schemas.topics import CLICKS, CREDITS, PURCHASES, SIGNALS

KIND = "add-to-cart"
CREDITED = 0.9
"""The share of signals and purchases on an item that their unit clicked."""
LATER = 1_000
"""Clicks of the end of the log, for every partition some."""
CREDITING, SIGNALLED, BOUGHT, BOUND = (
    Contender("credits", topic=CREDITS),
    Contender("signals", role="attribution", topic=SIGNALS),
    Contender("purchases", role="attribution", topic=PURCHASES),
    Contender("bound", batch=2_000, topic=SIGNALS, module="bench.events.bound"),
)


@dataclass(frozen=True, slots=True)
class SignalRates:
    """Events a second, medians over the rounds: the learner's impressions and credits, what attribution decides.

    `bound_per_s` is what reading a signal and writing a credit comes to, without any decision.
    `processor_us` are microseconds of processor for one of each, in the order of the rates.
    """

    events: int
    impressions_per_s: int
    credits_per_s: int
    signals_per_s: int
    purchases_per_s: int
    bound_per_s: int
    processor_us: Sequence[float] = ()

    def ratios(self) -> dict[str, float]:
        """Rates against that of impressions: of signals until they are counted, of each step, and of all others."""
        steps = {
            "credits": self.credits_per_s,
            "attribution": self.signals_per_s,
            "purchases": self.purchases_per_s,
            "signals_bound": self.bound_per_s,
        }
        ratios = {f"{name}_ratio": rate / self.impressions_per_s for name, rate in steps.items()}
        slowest = min(ratios["credits_ratio"], ratios["attribution_ratio"])
        return {name: round(ratio, 3) for name, ratio in ({"signals_ratio": slowest} | ratios).items()}


def measure_signals(
    impressions: Settings, own: Callable[[str], Settings], sizes: tuple[int, int], rounds: int, folder: Path, say: Say
) -> SignalRates:
    """Time all five in turn, attribution over fewer events than the others, as `sizes` say.

    The topic of `impressions` is filled; `own` makes topics of a name, and attribution keeps clicks in `folder`.
    """
    events, count = sizes
    counted, bound = own(CREDITING.name), own(BOUND.name)
    publish(counted.kafka, CREDITS, credits_of_signals(events))
    publish(bound.kafka, SIGNALS, signals(events))
    attribution = impressions.attribution
    logs = {
        contender.name: [
            own(f"{contender.name}-{turn}").changed(attribution={"folder": str(folder / str(turn))})
            for turn in range(rounds + 1)
        ]
        for contender in (SIGNALLED, BOUGHT)
    }
    _publish_logs(logs, count, (attribution.grace_ms + attribution.clock_skew_ms) / 1_000)
    settings = {OURS.name: repeat(impressions), CREDITING.name: repeat(counted), BOUND.name: repeat(bound)} | {
        name: iter(of_rounds) for name, of_rounds in logs.items()
    }

    def timed(contender: Contender) -> Timing:
        size = count if contender.role == "attribution" else events
        timing = time_contender(contender, next(settings[contender.name]), size, LIMIT_S)
        say(f"signals: {contender.name} {timing.events_per_s:,.0f} events/s, {timing.processor_us:.2f} µs of processor")
        return timing

    timings = time_rounds([OURS, CREDITING, SIGNALLED, BOUGHT, BOUND], rounds, timed)
    rates = [round(timing.events_per_s) for timing in timings.values()]
    spent = [round(timing.processor_us, 2) for timing in timings.values()]
    impression, credit, signal, purchase, bounding = rates
    return SignalRates(count, impression, credit, signal, purchase, bounding, spent)


def _publish_logs(logs: Mapping[str, Sequence[Settings]], count: int, settled_after_s: float) -> None:
    """Fill topics of each round's own, as what was published already is not published again.

    A signal is decided once clicks were read so much past it: without some at the end the pace would be a clock's.
    """
    for name, of_rounds in logs.items():
        topic, events = (SIGNALS, signals) if name == SIGNALLED.name else (PURCHASES, purchases)
        for of in of_rounds:
            publish(of.kafka, CLICKS, clicks(count))
            publish(of.kafka, topic, events(count))
    time.sleep(settled_after_s)
    for of_rounds in logs.values():
        for of in of_rounds:
            publish(of.kafka, CLICKS, clicks(LATER, count))


def clicks(count: int, first: int = 0) -> Iterator[Click]:
    """One after the other, of the units and items of `signals` and `purchases`."""
    chance = random.Random(1)
    for number in range(first, first + count):
        name = f"c-{number}"
        yield Click(
            event_id=name,
            occurred_at=_now(),
            unit=_unit(number),
            page=chance.choice(PAGES),
            segment=f"segment-{chance.randrange(SEGMENTS)}",
            slot="slot-0",
            item=_item(number),
            page_view_id=name,
            layout_version=1,
            variant=chance.randrange(VARIANTS),
        )


def signals(count: int) -> Iterator[Signal]:
    """Most of them after a click of their own."""
    for number, (unit, item) in enumerate(_followed(count)):
        yield Signal(event_id=f"s-{number}", occurred_at=_now(), unit=unit, kind=KIND, item=item)


def purchases(count: int) -> Iterator[Purchase]:
    """Likewise, of one line each."""
    for number, (unit, item) in enumerate(_followed(count)):
        yield Purchase(f"p-{number}", _now(), unit, f"order-{number}", "EUR", [PurchaseLine(item, 1, 1_000)])


def credits_of_signals(count: int) -> Iterator[Credit]:
    """What attribution publishes for signals that follow their click at once."""
    for number, click in enumerate(clicks(count)):
        time_ms = click.occurred_at
        signal = Signal(event_id=f"s-{number}", occurred_at=time_ms, unit=click.unit, kind=KIND, item=click.item)
        yield signal_credit(signal, time_ms, click_record(click, number, time_ms), "EUR")


def _followed(count: int) -> Iterator[tuple[str, str]]:
    """Unit and item of each click in another order, some with an item that the unit did not click."""
    chance = random.Random(2)
    for number in chance.sample(range(count), count):
        yield _unit(number), _item(number if chance.random() < CREDITED else number + 1)


def _unit(number: int) -> str:
    return f"unit-{number % UNITS}"


def _item(number: int) -> str:
    return f"item-{number * 7919 % ITEMS}"


def _now() -> int:
    return time.time_ns() // 1_000_000
