"""Counts by day, where the click rates of a page are known to move: older ones are forgotten by and by.

- `counts`: learned impressions and clicks of each day, as arrays
- `memory`: what a segment's counts of all days still tell of its candidates, kept while older days stay as they are
"""
