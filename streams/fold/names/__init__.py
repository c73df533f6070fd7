"""The distinct names that a partition may bring into a time bucket.

- `name_codes`: distinct names as 64-bit codes: 8 bytes for each, and a small set of those that came
  last
- `quota`: limits on the distinct names that one partition may bring into a time bucket
"""
