"""How well estimates from logs hold.

- `arrangements`: logs of simulated pages with shelves: what is estimated of another arrangement, and what it
  is really worth
- `coverage`: whether intervals are right as often as they claim: over many simulated logs, and over experiments
  that are always looked at
- `decision_log`: a decision log of any length that no topic holds, and what it costs to join,
  evaluate and export it
- `estimates`: how often off-policy intervals hold what they should: simulated logs of our own
  layouts, whose truth is known
- `open_bandit`: the two policies of the Open Bandit Dataset, each valued from the log of the
  other, beside what it earned itself
- `texts`: texts of simulated items, as vectors that tell much or nothing of how attractive the items
  are
- `watched`: whether the intervals of an evaluation that is always looked at hold, over simulated
  logs without any gain
- `watched_log`: logs in which nothing is to be gained, whatever they teach: a target shows other
  items that earn as much
"""
