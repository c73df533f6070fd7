"""A topic that was deleted and made again must be noticed and refused."""

from __future__ import annotations

import subprocess

from confluent_kafka import Producer

from reshelf.drill.faults.topic import GONE_S, make_anew
from reshelf.drill.setup.environment import Environment
from reshelf.drill.verify import Finding
from reshelf.processes.children import tail
from schemas.topics import CLICKS
from streams.kafka.clients import confluent_producer_config

LIMIT_S = 40.0


def check_refusal(environment: Environment) -> Finding:
    """Make the clicks' topic anew while no worker runs, then start a learner: it has to end with status 1."""
    _make_anew(environment)
    member = environment.workers.add("learner")
    member.expected = True
    try:
        status = member.child.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        status = None
    said = tail(member.log, 1)
    finding = Finding("a topic made anew is refused", 1)
    if status != 1 or CLICKS.name not in said:
        finding.examples = [f"expected status 1 and a line about {CLICKS.name}, got {status}: {said}"]
    return finding


def _make_anew(environment: Environment) -> None:
    kafka = environment.settings.kafka
    name = kafka.prefix + CLICKS.name
    make_anew(kafka, CLICKS)
    producer = Producer(confluent_producer_config(kafka))
    for number in range(100):
        producer.produce(name, b"{}", f"unit-{number}".encode())
    producer.flush(GONE_S)
