"""Namespaces of the state side by side: replayed, compared, exported, swapped.

- `drop`: a namespace that nobody uses any more, deleted
- `extend`: a namespace that was made before signals and returns, or with fewer kinds of signals
- `open_state`: a namespace as its workers made it, for everybody who reads: what its manifest
  knows, no shell's settings say
- `replay`: `reshelf replay`: from words on a command line to a namespace
- `shares`: the records of a replay, shared out by partitions over processes that fill one namespace
- `state`: namespaces side by side: their canonical rows, what differs, and which of them is live
- `stretch`: from where to where: words on a command line as offsets of the event topics
"""
