"""Pages of shelves: which shelf stands in which row, and what is on it.

- `compiled`: a declared page as arrays
- `composition`: a page of shelves from beliefs: shelves in rows, items in slots, and how likely each is
- `declaration`: shelves, rows of slots, and which shelf may stand where
- `drawing`: down the rows, each with the shelf that is worth most with the items still left
- `holding`: whether rules for shelves hold
- `item_rules`: pins choose among shelves, and each row is filled under all rules for items
- `lists`: the best items of each shelf
- `messages`: from the page that merchants declare, and into layouts
- `model`: what is fitted of shelves, rows and items from what is counted of them
- `period`: when shelves may move
- `published`: what was fitted of shelves and rows, as a message and as arrays of a page
- `rules`: what merchants ask of shelves
- `templates`: narrower forms of a page, for branches
"""
