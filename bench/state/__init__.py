"""Counts written into Redis without the fold.

- `encoding`: tables of counts to the bytes that Redis holds
- `writing`: tables on their way into Redis, by the project's own keys, without the fold
"""
