"""The log in: Faust agents that get batches of one partition, and say when they are applied.

- `app`: faust applications on the batch transport, and running them
- `background`: what runs beside an agent for as long as its application does
- `consumer`: a Faust transport on which a stream carries batches instead of records
- `driver`: the consumer of batches as Faust's transport, and the way from an application to it
- `faust_stubs`: what Faust's consumer has and a reader of batches does without
- `group`: workers of one consumer group: who reads which partitions, and when that changes
- `health`: `/live` and `/ready` of a worker, for whatever supervises it
- `ledger`: what was read, delivered and acknowledged of each owned partition; no IO
- `pace`: when to read which of the owned partitions: many small reads cost more than they bring
- `source`: the aiokafka consumer behind the transport
- `watchdog`: ends a process that is stuck: its supervisor starts it again, and the log has what
  was not applied
- `wiring`: what an application hands to its transport
"""

from streams.transport.app import BatchApp, create_app, end_process, run_app, subscription
from streams.transport.background import AtOnce, guarded, run_in_background
from streams.transport.consumer import BatchConsumer
from streams.transport.driver import reader

__all__ = [
    "AtOnce",
    "BatchApp",
    "BatchConsumer",
    "create_app",
    "end_process",
    "guarded",
    "reader",
    "run_app",
    "run_in_background",
    "subscription",
]
