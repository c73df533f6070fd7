"""Regret of the policy compared with that of other libraries, each called through its own interface.

`trials` is how all of them are fed, `counting`, `linear`, `sampling` and `vowpal` are the
peers with their settings, `contest` runs them on shops of many seeds.

- `chain`: how exact the expected orders of items are that have young clicks alone: by all stages, and
  by matured clicks
- `contest`: runs of learners on shops of many seeds, and what they say: regret, ratios to the best
  peer, coverage
- `counting`: most popular: click rates over all segments, smoothed; and the same by segment with a
  share of chance
- `linear`: MABWiser's LinUCB and LinTS: segments as arms, what is known of an item as the context
- `peers`: the peers by name, each with the settings it is tuned over
- `report`: a whole contest: peers are tuned, then they and the policy race on the same seeds
- `renewals`: what it costs to compose by what was learned, and to hold layouts back: regret, layouts
  made, slots that change
- `sampling`: MABWiser's and PyBandits' Thompson sampling: one bandit for each segment, items as
  arms, Beta(1, 1) priors
- `trials`: how peers are fed: one trial for each slot that was shown, or that was likely looked at
- `vowpal`: Vowpal Wabbit's contextual bandits over described actions, with and without slots of
  its own
"""
