"""What is compared once all is applied: state, conversions, dead letters and layouts with what the log says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from reshelf.drill import verify
from reshelf.drill.faults.clock import check_clocks
from reshelf.drill.faults.topic import check_renderer
from reshelf.drill.setup.environment import Environment
from reshelf.drill.traffic import PAGES
from reshelf.drill.verify import Finding
from reshelf.namespaces.state import rows
from schemas.topics import DEAD_LETTERS, EVENT_TOPICS, LAYOUT_LIVES, LAYOUTS, LAYOUTS_HISTORY
from streams.kafka.records import TopicPartition

ENDS = EVENT_TOPICS


class Comparison:
    """That of one drill; `acknowledged` are the events that the broker took, and `tick` lets the workers go on.

    `stamped` says that the broker stamps what it appends.
    """

    def __init__(
        self, environment: Environment, acknowledged: set[str], stamped: bool, tick: Callable[[], None]
    ) -> None:
        self._environment = environment
        self._acknowledged = acknowledged
        self._stamped = stamped
        self._tick = tick
        self.torn_layouts = 0

    def compare(self, ends: dict[TopicPartition, int]) -> list[Finding]:
        """Compare all with the log, which ends there."""
        settings = self._environment.settings
        log = verify.read(settings.kafka, ENDS)
        windows = {page: 60_000 * (number + 1) for number, page in enumerate(PAGES)}
        plain = verify.fold(log, settings)
        exported = asyncio.run(rows(settings, self._environment.namespace))
        findings = [
            verify.check_acknowledged(log, self._acknowledged),
            verify.check_state(exported, plain),
            verify.check_conversions(log, settings, windows),
            verify.check_dead_letters(log, plain, verify.read(settings.kafka, [DEAD_LETTERS]), settings),
            self._layouts(ends),
        ]
        if (renderer := self._environment.renderer) is not None:
            findings.append(
                self._patiently(lambda: check_renderer(verify.read(settings.kafka, [LAYOUTS]), renderer.show))
            )
        layouts = verify.read(settings.kafka, [LAYOUTS, LAYOUTS_HISTORY])
        self.torn_layouts = verify.torn_layouts(layouts, self._environment.layouts_since_ms)
        if self._stamped:
            findings.append(check_clocks(layouts | verify.read(settings.kafka, [LAYOUT_LIVES])))
        return findings

    def _layouts(self, ends: dict[TopicPartition, int]) -> Finding:
        """Each is composed again when half of its time to live is over."""
        kafka, drained_at = self._environment.settings.kafka, time.time_ns() // 1_000_000
        return self._patiently(
            lambda: verify.check_layouts(
                verify.read(kafka, [LAYOUTS, LAYOUT_LIVES]), ends, kafka.partitions, drained_at
            )
        )

    def _patiently(self, check: Callable[[], Finding]) -> Finding:
        """What a check says once it is content, or when layouts have had their time to be composed again."""
        until = time.monotonic() + 3 * verify.LAYOUT_TTL_MS / 1000
        while not (finding := check()).equal and time.monotonic() < until:
            for _ in range(5):
                self._tick()
        return finding
