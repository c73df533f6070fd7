"""Whether the parts that are compiled where there is a C compiler were compiled."""

from __future__ import annotations

from reshelf.doctor.finding import Finding

REMEDY = (
    "Install the wheel of this platform, or install gcc and Python's headers and then reshelf again. "
    "What it costs here is measured by `reshelf bench stages`."
)


def build_finding(fold: bool, policy: bool, state: bool) -> Finding:
    """What is slower for the want of compiled code: `fold`, `policy` and `state` say whether theirs is there."""
    costs = []
    if not fold:
        costs.append(
            "the fold's fast path is missing: a learner takes 7 to 12 times as long to decode and fold an event"
        )
    if not policy:
        costs.append("layouts are drawn and filled without compiled code, which gives the same and takes longer")
    if not state:
        costs.append("the counts of layouts are read without compiled code, which takes twice as long")
    if costs:
        return Finding("compiled parts", "note", "; ".join(costs), REMEDY)
    return Finding("compiled parts", "ok", "they are there")
