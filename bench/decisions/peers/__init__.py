"""Learners that the policy is compared with, each called through its own interface.

- `bayesian`: bayesianbandits' Thompson sampling: one Poisson regression, shared by all segments, with
  parts of their own
- `counting`: click rates counted: most popular over all segments, and by segment with a share of
  chance or drawn (Thompson)
- `linear`: MABWiser's LinUCB and LinTS: segments as arms, what is known of an item as the context
- `pybandits`: PyBandits' Thompson sampling: one bandit for each segment, items as actions, Beta(1, 1)
  priors
- `registry`: the peers by name, each with the settings it is tuned over
- `sampling`: MABWiser's Thompson sampling: one bandit for each segment, items as arms, Beta(1, 1)
  priors
- `trials`: how peers are fed: one trial for each slot that was shown, or that was likely looked at
- `vowpal`: Vowpal Wabbit's contextual bandits over described actions, with and without slots of
  its own
- `vowpal_pages`: the same over the shelves of a page, row by row
"""
