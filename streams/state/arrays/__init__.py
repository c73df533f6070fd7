"""How counts are laid out in Redis as dense little arrays.

- `directory`: names to rows: each array in Redis is addressed by numbers that a directory gives out
- `experiment_bins`: the experiment of learned layouts against the holdout, read from the bins of
  units that the learner keeps
- `operations`: a group's deltas as operations of the apply script
- `sums`: tables added up, and a table as the bytes that Redis holds of it
- `tables`: tables of counts as numpy arrays, from the bytes in Redis
"""
