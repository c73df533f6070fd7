"""Layouts: from the state, the catalog and the merchandisers' pages to the topics `layouts` and `layouts-history`.

`due` says when a key is to be composed, `schedule` which one is next, `compose` turns the state of one key into
slates (a pure function), `producer` ties them together and `app` runs it as a Faust
application.

- `app`: the layout producer as a Faust application
- `branches`: policies on trial: the slates of each branch of a page's units in one layout
- `clock`: the clocks of the layout producer, how it waits, and what it reports of a decision
- `clock_guard`: whether this machine's clock is near enough to the brokers' for layouts to be published
- `compose`: from the state of one page and segment to its layout: a pure function
- `due`: from when on a key is due for a layout: a pure object, the time comes in with every call
- `explain`: why an item stands where it stands: everything that a layout was made from, item by
  item
- `guard_rail`: a page whose learned layouts lose for certain goes back to its baseline
- `hysteresis`: layouts that gain too little over the published ones are held back, so that pages do
  not flicker
- `lives`: signs of life for layouts that do not change, in place of publishing each again
- `producer`: the layout producer: composes the keys that are due and publishes what changed
- `publisher`: publishing layouts: history first, then `layouts`, then what is known of the newest
  one
- `schedule`: which key is composed next: a pure object, the time comes in with every call
- `segments`: layouts of segments that are learned, or that are compared with the whole page
- `slates`: from what is known of a page and segment to slates
"""
