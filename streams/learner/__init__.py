"""The learner: event batches into the state, each exactly once.

- `agent`: batches in, state and layout requests out
- `app`: the learner as a Faust application
- `commits`: commits that go on at the same time: one of each partition, a few of all; no IO
- `duplicates`: what partitions had lately: journals on disk, and how much of its time each window covers
- `held_names`: what names a learner holds, as metrics
- `layout_requests`: which keys need a layout, when they are asked for, and how much came: pure, the
  time comes in with every call
- `old_buckets`: what becomes of old time buckets, beside the batches: they are merged, and dropped
  beyond their life
"""
