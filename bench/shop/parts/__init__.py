"""Each part of Reshelf, measured in a shop.

- `layouts`: the layout worker, with a learner beside it: first layouts, at rest, under traffic
- `learner`: the learner: a rate that it is given, then a backlog as fast as it can
"""
