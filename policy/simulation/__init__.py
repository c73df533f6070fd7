"""Shops whose truth is known, and races of learners in them: how much is lost until it is learned what sells.

`shop` has items, segments and their drift, `visits` how visitors look and click,
`race` serves what a learner chooses and counts the regret, `learned` is the policy that
the layout producer runs.  Everything is drawn from generators that are passed in.

- `days`: what a learner in a race has counted, by day
- `flicker`: how much of what visitors see changes from one refresh to the next
- `funnel`: a page whose clicks are followed by carts, orders and returns, counted as tiers log them:
  some log few carts
- `informed`: a bound: a learner that has the true priors of a simulated shop, and only has to learn
  what was drawn
- `learned`: the policy that the layout producer runs, as a learner in a race: the same fit, priors
  and slates
- `means`: means over seeds, with how far they may be off
- `pages`: pages of shelves whose truth is known, and races of learners in them
- `race`: serving what a learner chooses, batch by batch as the layout producer does, and counting
  what is lost
- `search`: which settings to try: every combination of what is declared, or a number drawn at random
- `shop`: a shop with segments, items that come and go, interest partly predicted by text, drift, and
  purchases that come late
- `shops`: kinds of shops by name: what is different in each
- `tastes`: a page whose visitors come again and have tastes, which nobody names: what learned segments are worth on
  it
- `visits`: how visitors of a simulated page look and click: as the learner assumes, and otherwise
"""
