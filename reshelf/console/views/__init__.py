"""What each page of the console shows, as JSON.

- `arms`: what is believed of each arm of a page, in columns: a thousand arms are sent twice a
  second
- `answer`: why an item stands where it stands, in one sentence
- `drafts`: drafts of a page's rules, which live in the browser: as a text, checked, and priced before
  they are published
- `experiment`: learned layouts against the holdout, as a page shows it
- `explanation`: why an item stands in a slot, as a page shows it
- `metrics`: what the console exposes to Prometheus: how log, state, workers and Redis look from beside
  them
- `pipeline`: how the pipeline runs, as a page shows it
- `planning`: what is planned and what came of it, as JSON
- `rules`: Merchandisers' rules: shown, checked, published, taken back.  The only thing that the
  console writes
- `segments`: learned segments: how large they are, what sets them apart, who moved, and what they gain
- `shop`: a page as a visitor sees it now, and what changed for this visitor
- `start`: what matters on all pages: what they earn, what rose and fell, what cannot hold, what is
  stale
"""
