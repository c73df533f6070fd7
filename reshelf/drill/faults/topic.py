"""The topic of layouts is deleted and made again; then the layout workers are started again, as the manual says.

What the log of events says does not change.  Every page has to get its layouts back, and a renderer that ran all the
time has to show them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka.admin import AdminClient

from reshelf.drill.plan import Fault, Heal, Impossible
from reshelf.drill.setup.environment import Environment
from reshelf.drill.setup.renderer import Shown
from reshelf.drill.verify import SHOWN, Finding, Log
from reshelf.topics.admin import apply
from schemas.codec import decode_key, decoder
from schemas.errors import ReshelfError
from schemas.messages.layouts import Layout
from schemas.topic import Topic
from schemas.topics import LAYOUTS
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
    environment.layouts_since_ms = time.time_ns() // 1_000_000

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


def check_renderer(log: Log, show: Callable[[str, str], Shown | None]) -> Finding:
    """A renderer shows each page and segment the newest layout of the topic, or one that came since."""
    decode, newest = decoder(Layout), dict[tuple[str, ...], int]()
    for record in (record for tp, records in log.items() if tp.topic == LAYOUTS.name for record in records):
        if record.value is not None:
            key = decode_key(LAYOUTS, record.key)
            newest[key] = max(newest.get(key, 0), decode(record.value).version)
    finding = Finding("layouts that a renderer shows", len(newest))
    for (page, segment), version in sorted(newest.items()):
        shown = show(page, segment)
        if shown is None or shown.segment != segment or shown.version < version:
            finding.lost += 1
            finding.examples.append(f"{page} for {segment} has version {version}, and the renderer shows {shown}")
    finding.examples = finding.examples[:SHOWN] or ([] if newest else ["the topic holds no layout"])
    return finding
