"""Pages of shelves: what was counted by shelf, and what shelves may show.

- `sums`: weighted counts of a segment by shelf, moved along with the tables that changed
"""
