"""Attribution: which click a purchase line is credited to, decided once and published.

A worker owns the same partition of clicks and purchases.  `order` merges the
two logs into one order that depends on them alone, `clicks` is the memory of
one group of units, `core` decides, all without IO; `memory` keeps the memory in
Redis, `conversions` reads and writes the published decisions, `worker` does the
steps in the order that survives a crash, `agent` is the Faust app.
"""
