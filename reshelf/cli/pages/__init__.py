"""Commands about pages: their rules, their layouts, and why these are as they are.

- `ask`: `reshelf ask`: the items that answer a question
- `explain`: `reshelf explain`: what a layout is made from
- `layouts`: `reshelf layouts`: the layouts that renderers read
- `rules`: `reshelf rules`: the rules of pages
- `segments`: `reshelf segments`: segments that were learned from what visitors looked at
"""
