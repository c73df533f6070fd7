"""Topics as the table declares them, and as the brokers have them.

Creating is the only change made here: what exists and differs is reported, with
the difference, and left to whoever runs the brokers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata, ConfigResource, NewTopic, ResourceType, TopicMetadata

from schemas.errors import ReshelfError, Transient
from schemas.topic import Topic
from schemas.topics import TOPICS
from streams.kafka.admin import outcomes
from streams.kafka.clients import confluent_admin_config
from streams.refusals import PARTITIONS_ADDED
from streams.settings import KafkaSettings

TIMEOUT_S = 15.0
PARTITIONS = "partitions"
RELIED_ON = (PARTITIONS, "cleanup.policy", "message.timestamp.type")
DELETE_RETENTION_MS = 7 * 86_400_000
CLEANABLE_RATIO = "0.1"
"""Of a log that is compacted at least this share was overtaken since the last time."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic of the table and what the brokers say of it; `partitions` is 0 where it is missing."""

    topic: Topic
    name: str
    partitions: int
    replication: int
    config: Mapping[str, str]
    differences: tuple[str, ...] = ()

    @property
    def exists(self) -> bool:
        """Whether the brokers have it."""
        return self.partitions > 0


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` did: names created, and for all topics how they are now."""

    created: tuple[str, ...]
    topics: tuple[TopicState, ...]


def wanted_config(topic: Topic, kafka: KafkaSettings, *, imported: bool = False) -> dict[str, str]:
    """The topic's configuration; `imported` is for old data: times as written, kept for ever."""
    config: dict[str, str] = {"cleanup.policy": topic.cleanup}
    if topic.cleanup == "delete":
        config["retention.ms"] = str(-1 if imported else topic.retention_ms)
    else:
        config["delete.retention.ms"] = str(DELETE_RETENTION_MS)
    if topic.segment_ms:
        config["segment.ms"] = str(topic.segment_ms)
        if topic.cleanup == "compact":
            config["max.compaction.lag.ms"] = str(topic.segment_ms)
            config["min.cleanable.dirty.ratio"] = CLEANABLE_RATIO
    if topic.event or topic.log_time:
        config["message.timestamp.type"] = "CreateTime" if imported else "LogAppendTime"
    if kafka.replication > 1:
        config["min.insync.replicas"] = str(max(1, kafka.replication - 1))
    return config


def apply(kafka: KafkaSettings, *, imported: bool = False) -> Applied:
    """Create the topics that are missing.  Doing it again changes nothing.

    Raises `Transient` when no broker answers and `ReshelfError` when a topic is refused.
    """
    admin = AdminClient(confluent_admin_config(kafka))
    existing = _metadata(admin, kafka).topics
    missing = [topic for topic in TOPICS if kafka.prefix + topic.name not in existing]
    created = _create(admin, kafka, missing, imported)
    end = time.monotonic() + TIMEOUT_S
    topic_states = _states(admin, kafka, imported)
    while time.monotonic() < end and not all(state.exists for state in topic_states):
        time.sleep(0.1)  # a broker answers from what it has heard of so far
        topic_states = _states(admin, kafka, imported)
    return Applied(created, topic_states)


def states(kafka: KafkaSettings, *, imported: bool = False) -> tuple[TopicState, ...]:
    """Every topic of the table as the brokers have it, in the table's order; errors as `apply`."""
    return _states(AdminClient(confluent_admin_config(kafka)), kafka, imported)


def differing(topics: Sequence[TopicState]) -> list[tuple[TopicState, str]]:
    """Topics that differ, and in what; nothing hangs on the number of partitions of others than event topics."""
    return [
        (state, text)
        for state in topics
        for text in (state.differences if state.exists else ())
        if state.topic.event or not text.startswith(PARTITIONS)
    ]


def hinders(state: TopicState) -> bool:
    """Whether a topic differs in what workers rely on."""
    return any(text.startswith(RELIED_ON) for _, text in differing([state]))


def remedy(topics: Sequence[TopicState]) -> str:
    """What to do about topics that differ."""
    texts = differing(topics)
    counts = {state.partitions for state in topics if state.topic.event and state.exists}
    said = []
    if any(text.startswith(PARTITIONS) for _, text in texts):
        same = f"Set kafka.partitions to {max(counts)}, which is what the event topics have."
        said.append(same if len(counts) == 1 else PARTITIONS_ADDED)
    if any(not text.startswith(PARTITIONS) for _, text in texts):
        said.append("Change the topics with your broker's tools, or the settings to what is meant.")
    return " ".join(said)


def _create(admin: AdminClient, kafka: KafkaSettings, missing: Sequence[Topic], imported: bool) -> tuple[str, ...]:
    if not missing:
        return ()
    new = [
        NewTopic(
            kafka.prefix + topic.name,
            num_partitions=kafka.partitions,
            replication_factor=kafka.replication,
            config=wanted_config(topic, kafka, imported=imported),
        )
        for topic in missing
    ]
    created = outcomes(admin.create_topics, new, TIMEOUT_S)
    return tuple(name for name, outcome in created.items() if _was_created(name, outcome, kafka))


def _was_created(name: str, outcome: KafkaException | None, kafka: KafkaSettings) -> bool:
    """False where another one created it first."""
    if outcome is None:
        return True
    error: KafkaError = outcome.args[0]
    if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
        return False
    raise ReshelfError(
        f"topic {name}: {error.str()}. Wanted {kafka.partitions} partitions, {kafka.replication} copies; "
        "check kafka.replication against the number of brokers, and that this user may create topics."
    )


def _states(admin: AdminClient, kafka: KafkaSettings, imported: bool) -> tuple[TopicState, ...]:
    existing = _metadata(admin, kafka).topics
    configs = _configs(admin, [kafka.prefix + t.name for t in TOPICS if kafka.prefix + t.name in existing])
    return tuple(_state(topic, kafka, existing, configs, imported) for topic in TOPICS)


def _state(
    topic: Topic,
    kafka: KafkaSettings,
    existing: Mapping[str, TopicMetadata],
    configs: Mapping[str, Mapping[str, str]],
    imported: bool,
) -> TopicState:
    name = kafka.prefix + topic.name
    if name not in existing or name not in configs:
        return TopicState(topic, name, 0, 0, {}, ("it is missing",))
    partitions = existing[name].partitions
    copies = min((len(partition.replicas) for partition in partitions.values()), default=0)
    config = configs.get(name, {})
    differences = [
        f"{key}: expected {value}, got {config[key]}"
        for key, value in wanted_config(topic, kafka, imported=imported).items()
        if key in config and config[key] != value
    ]
    # Others than event topics have no state that hangs on the number: one that has fewer serves as well.
    if len(partitions) != kafka.partitions and (topic.event or len(partitions) > kafka.partitions):
        differences.insert(0, f"{PARTITIONS}: expected {kafka.partitions}, got {len(partitions)}")
    if copies < kafka.replication:
        differences.append(f"replication: expected {kafka.replication}, got {copies}")
    return TopicState(topic, name, len(partitions), copies, config, tuple(differences))


def _metadata(admin: AdminClient, kafka: KafkaSettings) -> ClusterMetadata:
    try:
        return admin.list_topics(timeout=TIMEOUT_S)
    except KafkaException as error:
        raise Transient(
            f"Kafka at {kafka.bootstrap} does not answer: {error.args[0].str()}. "
            "Check kafka.bootstrap and that the brokers run, or start your own with --embedded."
        ) from None


def _configs(admin: AdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Configuration of the topics that the broker knows; empty where it reports none (as the embedded one)."""
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    configs: dict[str, dict[str, str]] = {}
    for resource, entries in outcomes(admin.describe_configs, resources, TIMEOUT_S).items():
        if not isinstance(entries, KafkaException):
            configs[resource.name] = {key: str(entry.value) for key, entry in entries.items()}
        elif entries.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            configs[resource.name] = {}
    return configs
