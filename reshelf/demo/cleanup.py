"""Taking away what a demonstration left on servers that others use: its topics and its state."""

from __future__ import annotations

from confluent_kafka.admin import AdminClient

from reshelf.settings import Settings
from schemas.topics import TOPICS
from streams.kafka.admin import outcomes
from streams.kafka.clients import confluent_admin_config
from streams.state.connection.client import redis_sync_client
from streams.state.keys import PREFIX

TIMEOUT_S = 15.0


def remove(own: Settings) -> None:
    """Delete the topics under the run's own prefix and the keys of its own namespace."""
    admin = AdminClient(confluent_admin_config(own.kafka))
    names = [own.kafka.prefix + topic.name for topic in TOPICS]
    outcomes(admin.delete_topics, names, TIMEOUT_S)
    with redis_sync_client(own.redis) as client:
        for pattern in (f"{PREFIX}{{{own.redis.namespace}:*", f"{PREFIX}{{{own.redis.namespace}}}*"):
            for key in client.scan_iter(match=pattern, count=1_000):
                client.delete(key)
