"""What readers of the state ask Redis for, and what they hold of it.

- `memory`: the tables that a process holds, least recently used first, and no more than a setting allows
- `revisions`: which pages and segments have counts, by what was written since the last look
- `tables`: the tables of a state group as they are in Redis
"""
