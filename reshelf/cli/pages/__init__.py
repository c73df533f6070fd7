"""Commands about pages: their rules, their layouts, and why these are as they are.

- `ask`: `reshelf ask`: the items that answer a question
- `drafts`: `reshelf rules draft`: drafts by name, and approving them
- `explain`: `reshelf explain`: what a layout is made from
- `layouts`: `reshelf layouts`: the layouts that renderers read
- `likeness`: `reshelf likeness`: items that a visitor would take for the same
- `over_time`: `reshelf rules calendar` and `timeline`: campaigns, and what became of an item
- `rules`: `reshelf rules`: the rules of pages
- `segments`: `reshelf segments`: segments that were learned from what visitors looked at
- `signing`: who publishes from a command line, when, and the text of a file that they name
"""
