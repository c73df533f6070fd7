"""The demonstration shop: a web tier and a page renderer that know only the topics.

`shop` models visitors, tastes and stock as pure functions of a random generator
and a clock, `renderer` is the renderer, `scores` keeps the shop's own truth about
learned layouts and the holdout, `traffic` speaks to Kafka, `screen` shows what
happens.

- `catalog`: the shop's items and pages as the catalog team and the merchandisers publish them
- `cleanup`: taking away what a demonstration left on servers that others use: its topics and its
  state
- `picture`: what the shop looks like at one moment, as plain data for the terminal and the web page
- `renderer`: the page renderer: the newest layouts, a slate for each visitor, the static fallback
- `run`: runs the shop until it is stopped, and shows it
- `scores`: the shop's own truth: what learned layouts and the holdout brought, and how fast clicks
  came back as layouts
- `screen`: the demonstration in a terminal: figures above, a page that re-shelves itself below
- `segments`: the segments that the web tier puts its visitors into: those that it knows, or those that
  are learned
- `shop`: the pure model of the shop: visitors, their tastes, the items, the stock, what follows
- `tally`: what the demonstration's visitors did, counted
- `traffic`: the shop's side of the topics: catalog and pages in, layouts out, visitors' events in
"""
