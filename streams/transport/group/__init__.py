"""Workers of one consumer group: who reads which partitions, and when that changes.

- `assignment`: which worker reads which partitions: the same workers the same ones, and few move when
  a worker joins or leaves
- `rebalance`: what aiokafka says of rebalances, handed to the consumer of batches
"""
