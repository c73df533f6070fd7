"""What is fitted of shelves, rows and items from what is counted of them.

- `counts`: what is counted of a page of shelves, and how often rows come into view
- `factors`: what a shelf adds to its items: by page, by segment, by row
- `fitting`: items, shelves and looks fitted together
- `looks`: how likely slots are looked at: by row, by column of a kind of shelf, by slot
- `segment_counts`: the counts of one segment, with the part that each shelf has in those of an item in a slot
"""
