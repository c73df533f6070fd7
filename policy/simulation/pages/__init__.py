"""Pages of shelves whose truth is known, and races of learners in them.

- `learners`: our policy, the declared order, and click rates of shelves by row
- `race`: serving what a learner arranges, and counting what is lost
- `world`: what shelves add, how rows are reached and looked at, and the best pages
"""
