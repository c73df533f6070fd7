"""The fold: records of one partition to deltas of the state, as a pure function.

`judge` decides once for every offset what becomes of it; `names` bounds the
distinct names that a partition may bring; `deltas` adds what was accepted up
per state group.  `plain` is the same law written the slow and obvious way:
tests and drills hold the workers' state against it.

- `admission`: the names that events bring, held against the quota of their partition
- `alarm`: watches the share of invalid records among the recent ones
- `buckets`: time buckets that grow with age: spans of 1, 2, 4, 8, ... buckets, so that a key has
  about log2 of its days
- `deltas`: accepted events added up per state group, by the declared measures: integers only, so
  that order cannot matter
- `evidence`: how much was counted, in two numbers: what tells a layout whether there is anything to
  learn
- `fast`: the fast path of the fold: the common case compiled, with the same results
- `judge`: what becomes of each record: accepted, skipped, or invalid with a reason
- `limits`: limits on names, and from which offset of a partition on which of them hold
- `measure`: what a measure and an array of measures are: keyed by what, how wide, and what an event adds
- `measures`: what is counted: one row per measure, and the arrays in Redis that hold them
- `names`: the distinct names that a partition may bring into a time bucket
- `plain`: the state law written the slow and obvious way: one pass over each whole partition
- `stages`: what followed clicks, of the events that say it: signals, repeated conversions, returns
- `window`: what was seen lately on a partition, counted in offsets
"""
