"""Layouts: from the state, the catalog and the merchandisers' pages to the topics `layouts` and `layouts-history`.

`schedule` says which key is composed next, `compose` turns the state of one key into
slates (a pure function), `producer` ties them together and `app` runs it as a Faust
application.

- `app`: the layout producer as a Faust application
- `branches`: policies on trial: the slates of each branch of a page's units in one layout
- `clock`: the clocks of the layout producer, and what it reports of a decision
- `compose`: from the state of one page and segment to its layout: a pure function
- `explain`: why an item stands where it stands: everything that a layout was made from, item by
  item
- `guard_rail`: a page whose learned layouts lose for certain goes back to its baseline
- `producer`: the layout producer: composes the keys that are due and publishes what changed
- `schedule`: which key is composed next: a pure object, the time comes in with every call
"""
