"""The clicks that purchases may still be credited to: on local disk; what workers share of attribution: in Redis.

- `folder`: where the stores lie, one for each partition, and who uses which
- `memory`: the clicks of a partition: those in its store, and those that are not written yet
- `progress`: how far attribution has come with each partition, in Redis
- `store`: the clicks of one partition on disk, by unit and item
"""
