"""How long it takes from a click to a layout that shows it.

- `counted`: how long it takes until an event is counted: until Redis has acknowledged the counts of
  its key and of its page
- `delays`: how long clicks took to come back as layouts: pure functions of what was noted on all
  sides
- `history`: what visitors did on the day before a measurement, written into Redis as workers would
  have counted it
- `run`: from a click to a layout that knows of it, with a learner and a layout worker as processes
  of their own
- `slow`: slows processes down to a share of their speed: `python -m bench.latency.slow SHARE PID ...`,
  until SIGTERM
- `traffic`: a steady stream of impressions and clicks, whatever the workers make of it
- `view`: a page renderer that notes when each layout reached it, and when each was asked for after
  a click
- `worker`: a layout worker that writes down what became of each key that was due: `python -m
  bench.latency_worker FILE`
"""
