"""Controlled experiments on the stream: intervals and tests that may be looked at at any time.

- `decision`: what follows from an experiment: keep the learned layouts, wait, or stop them; and what
  they earn in money
- `elimination`: which policies on trial are worse than the best for certain, at whatever moment
  that is looked at
- `health`: how an experiment stands: uplifts, whether the split can be trusted, and which
  guard-rails it crossed
- `planning`: how long an experiment takes, from what a page's visitors did so far, until its
  always-valid interval excludes 0
- `sample_ratio`: whether units arrive in the holdout as often as they should: a test that may be
  looked at at any time
- `sequence`: uplift of learned over holdout, with an interval that is valid whenever it is looked
  at
- `trial`: policies on trial against the page's own: each branch has whole bins of units, so bins
  are what is compared
"""
