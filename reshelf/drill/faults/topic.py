"""The topic of layouts is deleted and made again; then the layout workers are started again, as the manual says.

What the log of events says does not change.  Every page has to get its layouts back.
"""

from __future__ import annotations

import time

from confluent_kafka.admin import AdminClient

from reshelf.drill.plan import Fault, Heal, Impossible
from reshelf.drill.setup.environment import Environment
from reshelf.topics.admin import apply
from schemas.errors import ReshelfError
from schemas.topics import LAYOUTS, Topic
from streams.kafka.admin import answers
from streams.kafka.clients import confluent_admin_config
from streams.settings import KafkaSettings

GONE_S = 15.0


def make_layouts_anew(environment: Environment, fault: Fault) -> Heal:
    """Delete it and make it; healed when the layout workers were ended, for the supervisor to start them again."""
    kafka, workers = environment.settings.kafka, environment.workers
    workers.excuse(kafka.prefix + LAYOUTS.name)
    try:
        make_anew(kafka, LAYOUTS)
    except ReshelfError as error:
        raise Impossible(str(error)) from error

    def heal() -> None:
        try:
            apply(kafka)
        except ReshelfError as error:
            raise OSError(str(error)) from error
        for member in workers.of("layouts"):
            workers.stop(member)

    return heal


def make_anew(kafka: KafkaSettings, topic: Topic) -> None:
    """Delete a topic, and make it with nothing in it."""
    name = kafka.prefix + topic.name
    admin = AdminClient(confluent_admin_config(kafka))
    answers(admin.delete_topics, [name], GONE_S)
    until = time.monotonic() + GONE_S
    while name in admin.list_topics(timeout=5).topics and time.monotonic() < until:
        time.sleep(0.1)
    apply(kafka)
