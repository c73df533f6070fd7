"""Pages of shelves: which shelf stands in which row, and what is on it.

- `compiled`: a declared page as arrays
- `composition`: a page of shelves from beliefs: shelves in rows, items in slots, and how likely each is
- `counts`: what is counted of a page of shelves, and how often rows come into view
- `declaration`: shelves, rows of slots, and which shelf may stand where
- `drawing`: down the rows, each with the shelf that is worth most with the items still left
- `factors`: what a shelf adds to its items: by page, by segment, by row
- `fitting`: items, shelves and looks fitted together
- `holding`: whether rules for shelves hold
- `looks`: how likely slots are looked at: by row, by column of a kind of shelf, by slot
- `messages`: from the page that merchants declare, and into layouts
- `period`: when shelves may move
- `published`: what was fitted of shelves and rows, as a message and as arrays of a page
- `rules`: what merchants ask of shelves
- `segment_counts`: the counts of one segment, with the part that each shelf has in those of an item in a slot
"""
