"""Learned segments: which of them a visitor is in, from the items that they looked at last.

- `rule`: the segment of a visitor in whole numbers, the same in every language, and the epoch number that carries it
"""
