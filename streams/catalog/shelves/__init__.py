"""Pages of shelves: what was counted by shelf.

- `sums`: weighted counts of a segment by shelf, moved along with the tables that changed
"""
