"""The counts of a shop, made without the fold.

- `counts`: what visitors did on a page on one day: made with numpy, the same for the same seed
- `filling`: the state of a shop, written into Redis by the project's own keys and formats
"""
