"""Partitions are added to an event topic in the middle of traffic; then the manual is followed.

Workers must end with a word about it.  The drill does what they and docs/operating/operating.md say: all event topics
get as many, a replay up to a time before goes into a new namespace, and workers are switched to that.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewPartitions

from reshelf.drill.plan import Fault, Heal, Impossible
from reshelf.drill.setup.environment import Environment
from reshelf.drill.setup.operator import Refused
from schemas.errors import ReshelfError
from schemas.topic import Topic
from schemas.topics import CLICKS, CONVERSIONS, CREDITS, EVENT_TOPICS, IMPRESSIONS, PURCHASES, RETURNS, SIGNALS
from streams.kafka.admin import answers
from streams.kafka.bounds import log_bounds
from streams.kafka.clients import confluent_admin_config
from streams.settings import KafkaSettings

EXCUSES = ("Partitions were added", "start again to use it")
"""Words of a worker that refuses the log, and of one whose namespace's name stands for another."""
READERS = {
    IMPRESSIONS.name: ("learner",),
    CLICKS.name: ("learner", "attribution"),
    PURCHASES.name: ("attribution",),
    SIGNALS.name: ("attribution",),
    RETURNS.name: ("attribution",),
    CONVERSIONS.name: ("learner",),
    CREDITS.name: ("learner",),
}
"""Who must notice that a topic has grown."""
NOTICED_S = 900.0
"""So long a role has to notice: other faults may keep it from reading at all."""
REQUEST_S = 15.0
BEFORE_S, MOST_DOUBLINGS = 20.0, 12
"""So long before partitions were added the replay ends; where the swap is refused, twice as long the next time."""
FAILURES, PATIENCE_S = 12, 900.0
"""After so many failures the remedy does not work, if so long has passed: workers that are behind may catch up."""
MOST_BEHIND = "1000000"


def add_partitions(environment: Environment, fault: Fault) -> Heal:
    """Give one event topic one partition more; healed when the workers go on in a namespace that covers it."""
    if environment.switching:
        raise Impossible("partitions are being added already")
    remedy = Remedy(environment, EVENT_TOPICS[fault.pick % len(EVENT_TOPICS)])
    with contextlib.suppress(OSError):
        remedy.go_on()
    return remedy.go_on


def grow(kafka: KafkaSettings, topics: Sequence[Topic], count: int) -> None:
    """Give topics so many partitions; those that have them stay as they are."""
    bounds = log_bounds(kafka, [topic.name for topic in topics])
    wanted = [NewPartitions(kafka.prefix + name, count) for name, pairs in bounds.items() if len(pairs) < count]
    if wanted:
        answers(AdminClient(confluent_admin_config(kafka)).create_partitions, wanted, REQUEST_S)


class Remedy:
    """The fault and the steps of the manual; `go_on` raises OSError until all is done."""

    def __init__(self, environment: Environment, topic: Topic) -> None:
        self._environment = environment
        self._topic = topic
        self._count = environment.settings.kafka.partitions + 1
        self._began_at = time.time()
        self._notice_by = 0.0
        self._refused_before = len(environment.workers.excused)
        self._swaps = self._failures = self._at = 0
        self._steps = (self._add, self._await_refusals, self._add_to_all, self._replay, self._swap, self._stand)
        environment.switching = True
        environment.workers.excuse(*EXCUSES)
        environment.workers.excuses.update(EXCUSES)

    def go_on(self) -> None:
        """Carry out what can be done now."""
        while self._at < len(self._steps):
            try:
                self._steps[self._at]()
            except Refused as why:
                self._fail(why)
            except (ReshelfError, KafkaException) as error:
                raise OSError(str(error)) from error
            else:
                self._at += 1
        self._environment.switching = False
        self._environment.workers.excuses.difference_update(EXCUSES)

    def _fail(self, why: Refused) -> None:
        """Replay again; after a swap that was refused with an earlier end, in a namespace of its own."""
        self._failures += 1
        if self._failures >= FAILURES and time.time() - self._began_at > PATIENCE_S:
            self._environment.workers.gave_up.append(f"the remedy for partitions that were added does not work: {why}")
            self._at = len(self._steps)
            return
        replay = self._steps.index(self._replay)
        self._swaps += self._at > replay
        self._at = replay
        raise OSError(str(why))

    @property
    def _namespace(self) -> str:
        """The one that is being made."""
        return f"{self._environment.settings.redis.namespace}-{self._count}-{self._swaps}"

    # Steps

    def _add(self) -> None:
        grow(self._environment.settings.kafka, [self._topic], self._count)
        self._notice_by = time.monotonic() + NOTICED_S

    def _await_refusals(self) -> None:
        workers = self._environment.workers
        ended = Counter(line.partition(",")[0] for line in workers.excused[self._refused_before :])
        if lacking := [role for role in READERS[self._topic.name] if not ended[role]]:
            if time.monotonic() < self._notice_by:
                raise OSError(f"no {lacking[0]} has refused the topic yet")
            workers.gave_up += [f"{role}: did not notice that {self._topic.name} has grown" for role in lacking]

    def _add_to_all(self) -> None:
        environment = self._environment
        grow(environment.settings.kafka, EVENT_TOPICS, self._count)
        environment.settings = environment.settings.changed(kafka={"partitions": self._count})
        environment.workers.settings = environment.settings

    def _replay(self) -> None:
        end = datetime.fromtimestamp(
            int(self._began_at - BEFORE_S * 2 ** min(self._swaps, MOST_DOUBLINGS)), UTC
        ).isoformat()
        environment = self._environment
        environment.operator.run(environment.settings, "replay", "--into", self._namespace, "--to", end)

    def _swap(self) -> None:
        environment = self._environment
        environment.operator.run(environment.settings, "state", "swap", self._namespace, "--max-behind", MOST_BEHIND)

    def _stand(self) -> None:
        """No server that takes the place of Redis may bring the namespace of before back."""
        environment = self._environment
        if environment.replicas:
            raise OSError("a replica is to take over that may not have heard of the swap")
        if environment.namespace != self._namespace:
            self._at = self._steps.index(self._replay)
            raise OSError("Redis has lost the swap")
        environment.store.forget_snapshots()
