"""Other arrangements of a page's shelves, valued on the log: what they would have earned.

- `answer`: what arrangements would have earned, as JSON has it
- `arrangement`: an arrangement: the slates that it makes of those of a layout
- `question`: which arrangements are asked about, and whether the page has what they name
"""
