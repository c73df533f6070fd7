"""Replay: the state of a stretch of log, built anew beside the live one.

Records come from Kafka or from an archive, are judged and folded by the learner's own
functions, and go into a namespace of their own.  A replay that was killed goes on
where its watermarks stand; two replays of one stretch give the same bytes.
"""
