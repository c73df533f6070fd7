"""The decision log: what was shown, how likely it was, and what came of it; for evaluation and for other tools.

- `arrangements`: other arrangements of a page's shelves, valued on the log
- `arrays`: a page's decisions as the arrays that estimators take, some page views at a time
- `autopilot`: the trial of a page brought to its end: policies that are worse for certain are
  dropped, the last is promoted
- `clock`: how far the time of the log had come at each place in it, which is what buckets expire by
- `decision_log`: the decision log's sources: the event topics, judged as the learner judges them,
  and the layouts' history
- `evaluate`: what a policy would have earned on each page of a decision log
- `export`: the decision log as files: Parquet, and the form of the Open Bandit Dataset
- `finetuning`: from the log to pairs of items that belong together, and from these to a tuned text
  model
- `follow`: the same estimates while events flow: page views are counted once they have settled,
  and never read again
- `join`: impressions, clicks and conversions joined with the layouts that they came from: a pure
  function
- `recompose`: the layouts that another policy, or other settings, would have made from what was
  known at the time
- `page_values`: what a page's decisions say of a policy: sums of the whole log first, then each
  estimator's evidence
- `records`: records of runs of replays, evaluations and tunings: kept as files, and for MLflow
- `tables`: the decision log in an engine that keeps it on disk, so that memory does not grow with
  the log
- `tuning`: `reshelf tune`: settings of the policy raced against each other in simulated shops
"""
