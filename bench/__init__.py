"""Measurements that anyone can run again: `reshelf bench …`.

- `catalog`: what a large catalog costs who follows it: a layout worker, the fitter, the console
- `cli`: `reshelf bench`: measurements that anyone can run again
- `decisions`: regret of the policy beside that of other libraries, each called through its own
  interface
- `encoding`: how fast item texts become vectors
- `evaluation`: how well estimates from logs hold
- `events`: how fast events get from the log into the state
- `latency`: how long it takes from a click to a layout that shows it
- `layout`: how long a layout takes with every kind of rule on: the pure part, on one core
- `options`: what the measurements share: their options, and the words for where they ran
- `pages`: a page of any size with random counts, for measurements that need no visitors
- `peers`: the same job by other means: the same log, decoding and fold into the same Redis, one
  script for each batch
- `progress`: how far a measurement is, for who looks at a terminal
- `random_rules`: random rules for items, of any kind that a merchant might publish
- `rules`: whether the interval of a rule's price holds what the rule truly costs: random rules in
  simulated shops
- `shelf_rules`: the same on simulated pages with shelves
- `shares`: how visitors share themselves out: few names have most of them
- `shop`: what a shop of some size takes: each part of Reshelf in a state, a catalog and traffic of
  that size
- `soak`: days of traffic compressed into less: what each part takes over time, and whether it stays
  flat
- `sold_pages`: a page whose clicks are followed by carts, orders and returns: days of several segments,
  as a reader holds them
- `state`: counts written into Redis without the fold
- `threads`: work that goes on in a thread beside what is measured
- `web`: how fast the edge, the console and a renderer answer
"""
