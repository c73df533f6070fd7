"""The value of a policy: estimated from logs of another one.

- `clusters`: clusters of items that are alike, from fine to coarse, and how likely a slot shows an
  item of each
- `decisions`: logged decisions as arrays: what was shown, how likely it was, and what came of it
- `estimators`: what a target policy would have earned per page view, from decisions that another
  policy made
- `gain`: what a policy would have gained over the one that was served: a ratio of two ratios over
  the same units
- `random_effects`: how much more counts stray from what a model expects than chance lets them
- `ratio`: a ratio of two sums over units, with its interval: what every estimator ends in
- `reward_model`: what an item in a slot is expected to earn: the model of the direct and doubly
  robust estimators
- `shelves`: what another arrangement of a page's shelves would have earned, position-based by shelf
"""
