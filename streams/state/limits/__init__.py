"""Limits on names in Redis.

- `partition`: the limits that a partition has had, as its state groups keep them beside their watermarks
- `use`: how much of them is used
"""
