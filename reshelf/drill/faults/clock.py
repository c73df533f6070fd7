"""A worker on a machine whose clock is off: it counts as all others do, and publishes no layout."""

from __future__ import annotations

from reshelf.drill.plan import DRILLED, Fault, Heal
from reshelf.drill.setup.environment import Environment
from reshelf.drill.verify import Finding, Log
from schemas.codec import decoder
from schemas.messages.layouts import Layout, LayoutLife
from schemas.topics import LAYOUT_LIVES, LAYOUTS

OFF_S = (-86_400, -600, 600, 86_400)
MOST_OFF_MS = 300_000
"""Further from its append than any layout by a right clock, and nearer than any by a wrong one."""


def set_off(environment: Environment, fault: Fault) -> Heal:
    """Start one more worker, minutes or a day before or after the others."""
    role = (*DRILLED, "layouts")[fault.pick % (len(DRILLED) + 1)]
    member = environment.workers.add(role, off_s=OFF_S[fault.pick // 7 % len(OFF_S)])
    return lambda: environment.workers.stop(member)


def check_clocks(log: Log) -> Finding:
    """No layout and no sign of its life was made by a clock that is off."""
    finding = Finding("layouts by a clock that is right", 0)
    kinds = {LAYOUTS.name: decoder(Layout), LAYOUT_LIVES.name: decoder(LayoutLife)}
    for topic, record in ((tp.topic, record) for tp, those in log.items() for record in those):
        if record.value is None or topic not in kinds:
            continue
        off_ms = kinds[topic](record.value).produced_at - record.timestamp
        finding.compared += 1
        if abs(off_ms) > MOST_OFF_MS:
            finding.double += 1
            finding.examples.append(f"{record.key!r} of {topic} was made {off_ms / 1000:+,.0f} s from its append")
    finding.examples = finding.examples[:5]
    return finding
