"""What this package starts: children, embedded servers, and the roles of a worker.

- `at_once`: tasks at once, each in a process of its own that reports how far it is
- `children`: children of this process: they die with it, and answer before they count as started
- `encoder`: the encoder worker with the clients of the settings, until a signal stops it
- `encoder_health`: `/live`, `/ready` and `/metrics` of the encoder, answered by a thread of their
  own: the model blocks the main one
- `garbage`: when memory that nobody needs goes back: rarely in a process that reads records, and
  also where little happens
- `parallel`: the same work on many tasks, in processes of their own
- `redis_cluster`: a Redis Cluster on this machine, for drills and tests: primaries with one
  replica each, which fail over
- `roles`: the roles of a worker by name, each a process of its own, their consumer groups, and the
  parent that watches them
- `servers`: broker and Redis started by ourselves, for one command or one test run
"""
