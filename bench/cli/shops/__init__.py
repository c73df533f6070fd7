"""Measurements of whole shops, with every part as a process of its own.

- `shop`: `reshelf bench shop`: what each part takes in a shop of some size
- `soak`: `reshelf bench soak`: whether memory, file handles and the like stay flat over days of traffic
"""
