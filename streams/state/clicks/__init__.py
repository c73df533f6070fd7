"""The clicks that purchases may still be credited to, in Redis and in memory.

- `group`: the clicks that one group of units may still be credited with
- `memory`: the click memory in Redis
"""
