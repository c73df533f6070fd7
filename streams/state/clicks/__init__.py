"""What units did, as far as it may still be credited: on local disk; what workers share of attribution: in Redis.

- `bucket`: the rows of one span of time, which go with their files, and where they are read
- `folder`: where the stores lie, one for each partition, and who uses which
- `memory`: what attribution remembers of a partition: what is in its store, and what is not written yet
- `progress`: how far attribution has come with each partition, in Redis
- `recent`: what attribution remembered lately, in memory: most signals follow a click of a moment ago, and need
  no disk
- `rows`: rows of a store: fingerprints of a unit and of what a row is found by, a time and an offset
- `store`: what attribution remembers of one partition, on disk, by unit
"""
