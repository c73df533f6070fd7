"""The consumer groups of a namespace's workers, as the broker describes them."""

from __future__ import annotations

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConsumerGroupDescription

from reshelf.processes.roles import groups_of
from streams.kafka.admin import outcomes
from streams.state.manifest import Manifest


def describe_groups(
    admin: AdminClient, manifest: Manifest, timeout_s: float
) -> dict[str, ConsumerGroupDescription | KafkaException]:
    """The group of each role, or the error that the broker answered with."""
    roles = groups_of(manifest.prefix, manifest.namespace)
    described = outcomes(admin.describe_consumer_groups, list(roles), timeout_s)
    return {roles[name]: outcome for name, outcome in described.items()}
