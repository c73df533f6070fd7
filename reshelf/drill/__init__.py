"""The fault drill: everything that can break is broken while events flow, and then the books are checked.

`plan` says what breaks when, `environment` holds what can be broken, `faults` breaks
and heals it, `traffic` publishes events with known ids, `watch` times the
recovery, `books` compares what Redis and the topics hold with what the log
alone says they must, and `run` puts these together.
"""
