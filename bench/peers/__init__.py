"""The same job by other means: the same log, decoding and fold into the same Redis, one script for each batch.

None of them knows duplicates, late events, quotas, dead letters or what to do after
a crash; each is given what makes it fast.  `python -m bench.peers NAME BATCH` runs
one, with the settings in the environment, until it is stopped.

- `__main__`: runs one peer: `python -m bench.peers NAME BATCH`
- `bare`: a loop on confluent-kafka: consume, decode, fold, one script, whose work overlaps with
  the next batch's
- `bytewax_flow`: bytewax: its Kafka source, decoding in batches, and an output that writes what it
  is handed
- `quix`: quix Streams: decoded by its deserializer, written by a BatchingSink at each checkpoint
- `sink`: what all peers write with: the fold and one call of the apply script, for one group that
  holds all
- `stock_faust`: stock Faust: an agent that writes event by event (batch 1), or what `take(batch)`
  gathered
"""

from __future__ import annotations

PEERS = {
    "bare": "bench.peers.bare",
    "faust_take": "bench.peers.stock_faust",
    "faust": "bench.peers.stock_faust",
    "quix": "bench.peers.quix",
    "bytewax": "bench.peers.bytewax_flow",
}
"""Name and module.  `bare` is a plain loop on confluent-kafka; `faust` writes event by event, `faust_take` batches."""

BATCHES = (500, 1_000, 2_000, 5_000, 10_000)
"""Events for each script that the bare loop is tried with."""
