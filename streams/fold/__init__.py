"""The fold: records of one partition to deltas of the state, as a pure function.

`judge` decides once for every offset what becomes of it; `quota` bounds the
distinct names that a partition may bring; `deltas` adds what was accepted up
per state group.  `plain` is the same law written the slow and obvious way:
tests and drills hold the workers' state against it.
"""
