"""The state in Redis: where it is, how it is written, read, checked and exported.

All keys of a state group carry one hash tag, so one script can touch them
atomically, on a cluster too.  `apply.lua` is the only writer of counts: it
compares the watermark, checks everything, then adds and moves the watermark.

- `alias`: which namespace a name stands for: how live workers are switched to a state that was
  replayed
- `arrays`: how counts are laid out in Redis as dense little arrays
- `clicks`: the clicks that purchases may still be credited to, on local disk; how far attribution is, in Redis
- `connection`: how Redis is reached: clients, pipelining, and what its errors mean
- `expiry`: buckets beyond their life are dropped, by the log's time and never by the wall clock
- `export`: the canonical export: what the state says, in an order that depends on nothing else
- `keys`: names of everything in Redis, in one place
- `layout_versions`: version numbers of layouts: they grow with every publication, whoever publishes
- `limits`: limits on names: those that a partition has had, and how much of them is used
- `manifest`: what a namespace was made with; a worker that differs must not touch it
- `merging`: old buckets are merged in Redis: a key's tables of one span are added up into the table
  that begins it
- `namespace`: Opening a namespace: agree with its manifest, or create it where the log begins
- `partition`: one partition of an event topic on its way into the state
- `recent`: what partitions had lately, on the learner's disk, and how much of its time it covers
- `reader`: the counts of a page and segment, for those who compose layouts and explain them
- `reading`: what readers ask Redis for, and what they hold of it
- `store`: the state groups of one namespace in Redis: compare-and-set of watermarks with deltas
- `watermark`: the log position up to which a state group has applied a partition, and whether the
  log is still the same
"""
