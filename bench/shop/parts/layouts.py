"""The layout worker, with a learner beside it: first layouts, at rest, under traffic."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.latency.delays import STAGES, Outcome, outcomes
from bench.latency.run import LIMIT_S
from bench.latency.traffic import sent_between
from bench.latency.view import View, rendering
from bench.latency.worker import Reading
from bench.shop.child import Part
from bench.shop.others import other_workers
from bench.shop.report import blank, memory
from bench.shop.traffic import Traffic
from bench.shop.workplace import Workplace
from reshelf.drill.watch import LEARNED

LOOK_S, DAY_S = 0.25, 86_400
QUIET_S = 5.0
"""A worker that has made no layout for so long has come to rest."""
AT_NO_REST: dict[str, float | None] = {"at_rest": None, "published_at_rest": None}


@dataclass(slots=True)
class _Bench:
    """What takes part."""

    at: Workplace
    learner: Part
    layouts: Part
    view: View
    reading: Reading
    traffic: Traffic

    @property
    def works(self) -> bool:
        return self.learner.alive and self.layouts.alive

    def composed(self) -> float:
        """Layouts that were composed so far, published or not."""
        return self.layouts.count("reshelf_layouts_total")

    def first_layouts(self) -> dict[str, Any]:
        """Seconds until this worker has looked at each page and segment, and each has a layout.

        One that finds layouts on the topic may leave some as they are: then it is done when it has come to rest.
        """
        keys, composed, at = set(self.at.shop.layout_keys()), self.composed(), time.monotonic()
        until, done = at + self.at.options.ready_s, False
        while self.works and not done and time.monotonic() < until:
            time.sleep(LOOK_S)
            self.view.decided(self.reading.more())
            if (now := self.composed()) != composed:
                composed, at = now, time.monotonic()
            looked_at = keys <= self.view.observations().keys() or time.monotonic() - at > QUIET_S
            done = looked_at and keys <= self.view.sightings.keys()
        took = round(at - self.layouts.began, 1)
        with_layout = len(keys & self.view.sightings.keys())
        return {"keys": len(keys), "with_layout": with_layout, "first_layouts_s": took if done else None}

    def published(self) -> float:
        """Layouts that were published so far."""
        return self.layouts.count("reshelf_layouts_total", "published")

    def at_rest(self) -> dict[str, float | None]:
        """Layouts a second while nothing happens, composed and published."""
        began, before = time.monotonic(), (self.composed(), self.published())
        while self.works and time.monotonic() - began < self.at.options.rest_s:
            time.sleep(LOOK_S)
        if not self.works:
            return AT_NO_REST
        took = time.monotonic() - began
        composed, published = self.composed() - before[0], self.published() - before[1]
        return {"at_rest": round(composed / took, 2), "published_at_rest": round(published / took, 2)}

    def under_traffic(self) -> dict[str, Any]:
        """One stretch of traffic, of which the time after warming up counts."""
        at, traffic, options = self.at, self.traffic, self.at.options
        self.view.count_anew()
        traffic.start(options.rate)
        traffic.publish_until(time.perf_counter() + options.warm_up_s)
        began, sent, composed, history, redis = (
            time.perf_counter(),
            traffic.sent,
            self.composed(),
            at.history_ends(),
            at.redis(),
        )
        requested = self.layouts.count("reshelf_layout_requests_total")
        cpu = self.layouts.cpu_s(), self.learner.cpu_s()
        while self.works and time.perf_counter() < began + options.seconds:
            traffic.publish_until(min(time.perf_counter() + LOOK_S, began + options.seconds))
        ended = time.perf_counter()
        took = ended - began
        figures = {
            "sent_per_s": round((traffic.sent - sent) / took),
            "cpu": round((self.layouts.cpu_s() - cpu[0]) / took, 3),
            "learner_cpu": round((self.learner.cpu_s() - cpu[1]) / took, 3),
            "redis_cpu": round((at.redis().cpu_s - redis.cpu_s) / took, 3),
            "under_traffic": round((self.composed() - composed) / took, 2),
            "requested": round((self.layouts.count("reshelf_layout_requests_total") - requested) / took, 2),
            "history_mb_per_day": round(at.history_bytes(history) / took * DAY_S / 2**20),
        }
        self._stream_on(began, ended)
        traffic.settle()
        some = outcomes(sent_between(traffic.clicks, began, ended), self.view.observations(), LIMIT_S)
        lag, lag_s = at.settled_lag(LEARNED, self.learner)
        return figures | {"lag": lag, "lag_s": lag_s, "click_to_layout_ms": _delays(some)}

    def _stream_on(self, began: float, ended: float) -> None:
        """Until all is told of every click that counts, or its time is over."""
        while self.works and (now := time.perf_counter()) < ended + LIMIT_S:
            self.traffic.publish_until(now + LOOK_S)
            self.view.decided(self.reading.more())
            some = outcomes(sent_between(self.traffic.clicks, began, ended), self.view.observations(), math.inf)
            if not any(math.isinf(entry.delay_s) for entry in some):
                return


def measure(at: Workplace) -> dict[str, Any]:
    """A worker that writes down what it decides, as `reshelf bench latency` has it."""
    return measured(at, "layouts", {})


def measured(at: Workplace, name: str, beside: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The same with more parts `beside` it, each by its role and module."""
    figures, decided = blank(name), at.folder / f"decided-{name}"
    decided.touch()
    with contextlib.ExitStack() as stack:
        stack.enter_context(other_workers(at.settings, at.shop.workers))
        view = stack.enter_context(rendering(at.settings.kafka))
        parts = [stack.enter_context(at.part("learner"))]
        parts += [stack.enter_context(at.part(role, *module)) for role, module in beside.items()]
        ready = {part.role: part.started(at.options.ready_s) for part in parts}
        layouts = stack.enter_context(at.part("layouts", "bench.latency.worker", str(decided)))
        figures |= layouts.started(at.options.ready_s)
        # Attribution adds purchases to the clicks of a request.
        traffic = Traffic(at.settings.kafka, at.shop, f"{at.shop.seed}-{name}", numbered="attribution" not in beside)
        at.say(f"{name}: waiting for the first layout of each page and segment")
        figures |= _looked_at(_Bench(at, parts[0], layouts, view, Reading(decided), traffic))
        ends = [f"the {part.role} beside it: {part.ended()}" for part in parts if part.ended()]
        figures["ended"] = "; ".join(filter(None, [figures["ended"], *ends]))
        for part in parts:
            figures[part.role] = {"ready_s": ready[part.role]["ready_s"], "rss_mb": round(part.peak_mb)}
    figures["events_per_s"] = figures.get("sent_per_s")
    return figures | {"redis_mb": at.redis().mb, "quota_letters": at.quota_letters()}


def _looked_at(bench: _Bench) -> dict[str, Any]:
    """First layouts, then at rest, then under traffic."""
    figures = bench.first_layouts()
    whole, rest = figures["first_layouts_s"] is not None, bench.layouts.rss_mb
    at_rest = bench.at_rest() if whole else AT_NO_REST
    if bench.works:
        figures |= bench.under_traffic()
    rates = {**at_rest, "under_traffic": figures.pop("under_traffic", None)}
    figures["layouts_per_s"] = rates | {"requested": figures.pop("requested", None)}
    bench.at.layouts_made = whole
    return figures | memory(bench.layouts, rest)


def _delays(clicks: Sequence[Outcome]) -> dict[str, Any]:
    """Of clicks that changed a layout; those that are in none in time weigh as if they came at the limit.

    `deferred` were too few for a layout of their own.
    """
    changed = [min(entry.delay_s, LIMIT_S) for entry in clicks if entry.changed]
    p50, p99 = (np.quantile(changed, [0.5, 0.99]) * 1000).round(1).tolist() if changed else (None, None)
    counted = {
        "clicks": len(clicks),
        "unchanged": sum(not (entry.changed or entry.deferred) for entry in clicks),
        "deferred": sum(entry.deferred for entry in clicks),
        "unseen": sum(math.isinf(entry.delay_s) for entry in clicks),
    }
    stages = [entry.stages for entry in clicks if len(entry.stages) == len(STAGES)]
    medians = np.median(np.array(stages) * 1000, axis=0).round(1).tolist() if stages else []
    return {"p50": p50, "p99": p99, **counted, "stages_p50": dict(zip(STAGES, medians, strict=False))}
