"""Clients, records and readers of Kafka outside of Faust.

- `admin`: requests of an admin client, all of which have ended when a call returns or raises
- `bounds`: where partitions begin and end, uncommitted records included
- `broker_time`: what time it is for the brokers at least, from the log alone
- `clients`: settings to client libraries of Kafka: Faust, aiokafka and librdkafka, and how connections of aiokafka end
- `identity`: whether a topic is the one that a reader began with
- `event_checks`: what single events say of who sent them: partitioner, clock, and holdout
- `log_source`: where a replay reads from: the topics, as workers read them but in no group
- `parsed`: records as aiokafka's parser yields them
- `producer`: records out: one idempotent producer whose deliveries can be awaited
- `reader`: reading a topic to its end, as it is now, outside of any group
- `records`: what crosses between the transport and the agents: records and batches of them
- `unreadable`: records that aiokafka's parser refuses, read by librdkafka
"""
