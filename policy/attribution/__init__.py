"""Attribution: which click signals, orders and returns are credited to, as a function of the logs alone.

- `clicks`: which click a signal, or a line of an order, is credited to
- `outcomes`: what comes of a credit: conversions of lines, credits of signals and of what went back
- `plain`: the same over whole partitions, without memory limits or restarts: workers have to agree with it
"""
