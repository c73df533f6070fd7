"""Rules for items on a page of shelves: pins choose among shelves, and each row is filled under all of them.

An item stands on a shelf that may show it, whatever rules ask for: a pin belongs to its row, where a shelf stands that
may show the item if there is one, and gives way where there is none.  What stands next to each other, for spacings and
complements, stands in one row.

- `fixed_items`: items fixed in positions while rows are drawn, and how rows are filled
- `spread`: rules by positions, with gaps between rows
"""
