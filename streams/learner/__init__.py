"""The learner: event batches into the state, each exactly once.

`partition` carries one partition from batch to state; `alarm` watches the share
of invalid records; `agent` is the Faust app around them.
"""
