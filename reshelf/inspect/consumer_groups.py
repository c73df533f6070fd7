"""The consumer groups of a namespace's workers, as the broker describes them."""

from __future__ import annotations

import time

from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConsumerGroupDescription

from reshelf.processes.roles import groups_of
from streams.kafka.admin import outcomes
from streams.state.manifest import Manifest

TIMEOUT_S = 10.0
ATTEMPTS = 4
INHABITED = (
    ConsumerGroupState.STABLE,
    ConsumerGroupState.PREPARING_REBALANCING,
    ConsumerGroupState.COMPLETING_REBALANCING,
)
SOON = (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)


def describe_groups(
    admin: AdminClient, manifest: Manifest, timeout_s: float
) -> dict[str, ConsumerGroupDescription | KafkaException]:
    """The group of each role, or the error that the broker answered with."""
    roles = groups_of(manifest.prefix, manifest.namespace)
    described = outcomes(admin.describe_consumer_groups, list(roles), timeout_s)
    return {roles[name]: outcome for name, outcome in described.items()}


def absent_roles(admin: AdminClient, manifest: Manifest) -> list[str]:
    """The roles whose consumer group has no member; raises KafkaException where the broker does not say."""
    for _ in range(ATTEMPTS):
        groups = describe_groups(admin, manifest, TIMEOUT_S)
        codes = {group.args[0].code() for group in groups.values() if isinstance(group, KafkaException)}
        if codes.isdisjoint(SOON):
            break
        time.sleep(0.5)  # a cluster that never had a group answers so at first
    return [role for role, group in groups.items() if not _has_members(group)]


def _has_members(group: ConsumerGroupDescription | KafkaException) -> bool:
    """Whether anybody is in it: the embedded broker lists no members, and says so by the state alone."""
    if not isinstance(group, KafkaException):
        return bool(group.members) or group.state in INHABITED
    if group.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
        return False
    raise group
