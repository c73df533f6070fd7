"""Regret of the policy compared with that of other libraries, each called through its own interface.

`peers` are the other learners with their settings, `contest` runs all of them on shops of many seeds.

- `chain`: how exact the expected orders of items are that have young clicks alone: by all stages, and
  by matured clicks
- `contest`: runs of learners on shops of many seeds: regret, coverage, how long they took
- `figures`: what the runs say of a shop: regret, ratios, coverage, flicker, and which peers were
  stopped
- `participants`: which libraries take part, and what each needs to be installed
- `pages`: how many clicks a page of shelves loses while it is learned which shelf belongs in which
  row
- `page_timing`: how long a page of shelves takes to compose
- `pictured`: shops whose goods are told apart by their pictures: how many clicks new items lose with
  pictures, texts, both, none
- `peers`: learners that the policy is compared with, each called through its own interface
- `races`: finished races in a folder: a contest takes hours, and one that was ended goes on where it was
- `report`: a whole contest: peers are tuned, then they and the policy race on the same seeds
- `renewals`: what it costs to compose by what was learned, and to hold layouts back: regret, layouts
  made, slots that change
- `tastes`: what learned segments are worth: clicks lost with them, against those lost with one segment for all
  visitors
- `tables`: a contest's answer as text: one table over all shops, then what each shop's learners lost
"""
