"""Each part of Reshelf, measured in a shop.

- `attribution`: attribution: a rate that it is given, then a backlog of clicks and what remembering
  each costs
- `console`: the console: until it answers, what it takes, and how long its pages take
- `edge`: the HTTP edge: until it has all layouts, what it takes to hold them, and how it answers
- `encoder`: the encoder: the texts of the whole catalog
- `fitter`: the fitter: its first round over all pages
- `layouts`: the layout worker, with a learner beside it: first layouts, at rest, under traffic
- `learner`: the learner: a rate that it is given, then a backlog as fast as it can
- `reads`: what those who read the state pay: a layout the first time and the next, its memory, and
  which keys there are
- `rebalance`: a second worker that joins and leaves again: how long learning pauses, and what is
  composed for it
- `replay`: `reshelf replay` of the log into another namespace
- `together`: all workers at once, as on one small machine, and what the layout worker then makes of
  it
- `workers`: one, two and four workers of a kind that share the work: what an event and a layout cost
  each of them
"""
