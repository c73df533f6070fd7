"""Whether this machine's clock is near enough to the brokers' for layouts to be published.

A layout says when it expires.  One that is made by a clock that is behind has expired when it
arrives, and by one that is ahead it lives too long; both replace a good one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from streams.metrics import Registry
from streams.obstacles import OBSTACLES

log = logging.getLogger("reshelf")

RETRY_MS = 10_000.0
"""How long nothing is published once the clock proved to be off; then one layout is tried."""
_NAME = "layouts clock"


class ClockGuard:
    """Holds what is known of the clock; `steady` gives milliseconds of a clock that is never set.

    `recovered` is called when layouts may be published again: what was due by the wrong clock is due at other times.
    """

    def __init__(
        self,
        allowed_ms: int,
        ttl_ms: int,
        metrics: Registry,
        steady: Callable[[], float],
        recovered: Callable[[], None] = lambda: None,
    ) -> None:
        self.reason = ""
        self._skew_ms = 0
        self._recovered = recovered
        self._allowed_ms = allowed_ms
        self._ttl_ms = ttl_ms
        self._metrics = metrics
        self._steady = steady
        self._again_at = float("-inf")

    @property
    def resting(self) -> bool:
        """Whether the clock was off a short while ago."""
        return bool(self.reason) and self._steady() < self._again_at

    def check_append(self, append_time: int, wall_ms: int) -> None:
        """A record that was read has this append time: a clock before that is behind."""
        if append_time - wall_ms > self._allowed_ms:
            self._stop(wall_ms - append_time, "behind the brokers'")
        elif self.reason and self._skew_ms < 0:
            self._go_on(0)

    def check_delivery(self, sent_ms: int, acknowledged_ms: int, append_time: int | None, newest_ms: int) -> bool:
        """Whether what is made at `sent_ms` may replace what was made at `newest_ms`, 0 where there is nothing.

        A record was sent at that time, and appended at `append_time` by the broker's clock, which is None
        where the broker stamps none: then all that is known is whether the new would have expired
        before the newest was made.
        """
        if append_time is None:
            if sent_ms + self._ttl_ms <= newest_ms:
                self._stop(sent_ms - newest_ms, "behind the one that made the newest layout")
                return False
            self._go_on(0)
            return True
        skew_ms = max(0, sent_ms - append_time) + min(0, acknowledged_ms - append_time)
        if abs(skew_ms) > self._allowed_ms:
            self._stop(skew_ms, "ahead of the brokers'" if skew_ms > 0 else "behind the brokers'")
            return False
        self._go_on(skew_ms)
        return True

    def _stop(self, skew_ms: int, relation: str) -> None:
        reason = (
            f"no layout is published, as this machine's clock is {abs(skew_ms) / 1000:,.0f} s {relation}: at most "
            f"{self._allowed_ms / 1000:,.0f} s are allowed (layouts.max_clock_skew_ms). Let NTP set the clock"
        )
        if not self.reason:
            log.error("Stopped: %s.", reason)
        self.reason = OBSTACLES[_NAME] = reason
        self._again_at = self._steady() + RETRY_MS
        self._expose(skew_ms)

    def _go_on(self, skew_ms: int) -> None:
        stopped, self.reason = self.reason, ""
        OBSTACLES.pop(_NAME, None)
        self._expose(skew_ms)
        if stopped:
            log.info("This machine's clock is right again: layouts are published.")
            self._recovered()

    def _expose(self, skew_ms: int) -> None:
        self._skew_ms = skew_ms
        self._metrics.set("reshelf_layout_clock_skew_seconds", value=skew_ms / 1000)
