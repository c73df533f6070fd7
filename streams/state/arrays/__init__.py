"""How counts are laid out in Redis as dense little arrays.

- `adding`: counts of a table added to sums by candidate and slot, each as many times as it weighs
- `changes`: tables that sums are made of: which went and which came since the sums were made
- `compiled`: the compiled part, where there was a C compiler when this was installed
- `directory`: names to rows: each array in Redis is addressed by numbers that a directory gives out
- `experiment_bins`: the experiment of learned layouts against the holdout, read from the bins of
  units that the learner keeps
- `operations`: a group's deltas as operations of the apply script
- `packed`: tables in little memory: names as numbers of a list that a page has, counts in as few
  bytes as they need
- `packed_value`: a table packed into one value of Redis, as merges leave it, and a table of all that Redis
  holds of it
- `packing`: packed tables straight from the bytes in Redis: the same that `decode_table` makes,
  without wide arrays between
- `parts`: tables of a page by segment: who adds them up sees at once which are as they were
- `sums`: tables added up
- `tables`: tables of counts as numpy arrays, from the plain arrays in Redis
"""
