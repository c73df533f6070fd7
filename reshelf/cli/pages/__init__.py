"""Commands about pages: their rules, their layouts, and why these are as they are.

- `ask`: `reshelf ask`: the items that answer a question
- `explain`: `reshelf explain`: what a layout is made from
- `layouts`: `reshelf layouts`: the layouts that renderers read
- `likeness`: `reshelf likeness`: items that a visitor would take for the same
- `rules`: `reshelf rules`: the rules of pages
"""
