"""What commands and console both show: explanations, posteriors, lag, layouts, search and reports.

- `attribution_window`: how much of the attribution window the clicks of each partition cover, in words
- `consumer_groups`: the consumer groups of a namespace's workers, as the broker describes them
- `duplicate_window`: how much of its time the window of duplicates covers, in words
- `event_sample`: the ends of the event topics: what spoils figures without a sign shows in single events
- `experiment`: how experiments stand: learned layouts against the holdout
- `explain`: an explanation from live topics and state, for people and scripts
- `lag`: how far the state has come with each partition of the log
- `layout_store`: the newest layout of each page and segment, compressed, and decoded when it is asked for
- `layouts_topic`: layouts as the topic holds them, for people and scripts
- `posterior_summary`: what is believed of a page's arms for a segment, as people want to see it:
  prior, posterior, data
- `prices`: what rules cost or earn, before they are published
- `quotas`: how much of the limits on names is used, in words
- `report`: one page of HTML that says how experiments, posteriors and policies stand; it needs
  nothing else to open
- `segments`: learned segments for people and scripts
- `shelves`: why a shelf stands where it stands
- `search`: items by what they say and how they look
- `stage_rows`: what follows a page's clicks, and what page views as wholes say, in words
- `trials`: policies and rules on trial: how they do, for whom they hold
"""
