"""How fast events get from the log into the state.

- `attribution`: what attribution takes for a click and for a purchase, and how its memory grows
- `bound`: how fast a Python process brings signals from the log into credits at all, without deciding anything
- `fold_paths`: what names of any script and fields of a producer's own cost the compiled fold,
  against plain events
- `log`: logs to measure on, published now: impressions of one size, and events of any kind
- `pipeline`: events per second from the log into the state, everything on, compared with others at the
  same job
- `race`: who is timed, and how: from the first events that are in Redis to the last
- `replay`: events per second from a whole topic into a fresh namespace, as `reshelf replay` does it
- `scale`: how costs grow: with the keys of the state, a page's items and its slots
- `signals`: signals a second from the log into the state, beside impressions: attribution credits
  them, the learner counts credits
- `spread`: what a twelve-slot event costs the learner and Redis, when visitors spread over few or
  many keys
- `stages`: what each step from the log to the state costs, in microseconds for an event
"""
