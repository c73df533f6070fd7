"""Shops whose truth is known, and races of learners in them: how much is lost until it is learned what sells.

`shop` has items, segments and their drift, `visits` how visitors look and click,
`race` serves what a learner chooses and counts the regret, `learned` is the policy that
the layout producer runs.  Everything is drawn from generators that are passed in.
"""
