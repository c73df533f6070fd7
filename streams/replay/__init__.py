"""Replay: the state of a stretch of log, built anew beside the live one.

Records come from Kafka or from an archive, are judged and folded by the learner's own
functions, and go into a namespace of their own.  A replay that was killed goes on
where its watermarks stand; two replays of one stretch give the same bytes.

- `archive`: an archive of event topics, a file for each partition: what the log held, kept beyond
  its retention
- `json_lines`: records of a partition as JSON lines, one a line
- `old_buckets`: what becomes of old time buckets while a log is replayed: merged and dropped, as in life
- `order`: several partitions in the order of time: what comes next is of the one that is furthest behind
- `parquet`: records of a partition as a Parquet file
- `run`: one replay, from its first record to the last watermark
"""
