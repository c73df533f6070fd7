"""How long it takes from a click to a layout that shows it.

- `delays`: how long clicks took to come back as layouts: pure functions of what was noted on all
  sides
- `run`: from a click to a layout that knows of it, with a learner and a layout worker as processes
  of their own
- `traffic`: a steady stream of impressions and clicks, whatever the workers make of it
- `view`: a page renderer that notes when each layout reached it, and when each was asked for after
  a click
- `worker`: a layout worker that writes down what became of each key that was due: `python -m
  bench.latency_worker FILE`
"""
