"""The same job by other means: the same log, decoding and fold into the same Redis, one script for each batch.

None of them knows late events, quotas or dead letters, and one alone knows duplicates; each
is given what makes it fast.  `python -m bench.peers NAME BATCH` runs
one, with the settings in the environment, until it is stopped.

- `__main__`: runs one peer: `python -m bench.peers NAME BATCH`
- `bare`: a loop on confluent-kafka: consume, decode, fold, one script, whose work overlaps with
  the next batch's
- `bytewax_flow`: bytewax: its Kafka source, decoding in batches, and an output that writes what it
  is handed
- `pathway_flow`: pathway: its Kafka source, its grouping where ids are to be unique, and an output
  that writes each minibatch
- `quix`: quix Streams: decoded by its deserializer, written by a BatchingSink at each checkpoint
- `sink`: what all peers write with: the fold and one call of the apply script, for one group that
  holds all
- `stock_faust`: stock Faust: an agent that writes event by event (batch 1), or what `take(batch)`
  gathered
"""

from __future__ import annotations

import importlib.util
from typing import NamedTuple


class Peer(NamedTuple):
    """Who does the job: `function` of a module, with `batch` events for each script, and the `package` that it needs.

    `guarantees` says what holds for its counts.
    """

    module: str
    package: str
    batch: int
    guarantees: str
    function: str = "run"

    @property
    def installed(self) -> bool:
        """Whether it can run here."""
        return importlib.util.find_spec(self.package) is not None


_AT_LEAST_ONCE = "duplicates count; after a crash some events count twice"
_IN_MEMORY = "after a crash it begins anew, as nothing of what it has read is stored"
PEERS = {
    "bare": Peer("bench.peers.bare", "confluent_kafka", 2_000, _AT_LEAST_ONCE),
    "faust_take": Peer("bench.peers.stock_faust", "faust", 1_000, _AT_LEAST_ONCE),
    "faust": Peer("bench.peers.stock_faust", "faust", 1, _AT_LEAST_ONCE),
    "quix": Peer("bench.peers.quix", "quixstreams", 10_000, _AT_LEAST_ONCE),
    "bytewax": Peer("bench.peers.bytewax_flow", "bytewax", 5_000, f"duplicates count; {_IN_MEMORY}"),
    "pathway": Peer("bench.peers.pathway_flow", "pathway", 20_000, f"duplicates count; {_IN_MEMORY}"),
    "pathway_unique": Peer(
        "bench.peers.pathway_flow",
        "pathway",
        20_000,
        f"duplicates do not count, by all ids that it ever met; {_IN_MEMORY}",
        "run_unique",
    ),
}
"""`bare` is a plain loop on confluent-kafka; `faust` writes event by event, `faust_take` batches."""

BATCHES = (500, 1_000, 2_000, 5_000, 10_000)
"""Events for each script that the bare loop is tried with."""
