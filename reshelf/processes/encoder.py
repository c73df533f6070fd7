"""The encoder worker with the clients of the settings, until a signal stops it."""

from __future__ import annotations

import dataclasses
import importlib.util
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from reshelf.processes.encoder_health import EncoderVitals, answering
from reshelf.service_settings import EncoderSettings
from reshelf.settings import Settings
from schemas.errors import BadSettings
from streams.kafka.clients import confluent_consumer_config, confluent_producer_config

if TYPE_CHECKING:
    from encoders.encoder import Encoder
    from encoders.worker import Worker

WITHOUT = "Everything else works without: a new item starts where its category, brand, price and age put it."
MISSING = (
    "the encoder needs torch and transformers, which are not installed. Install the extra: "
    f"pip install 'reshelf[encoders]'. {WITHOUT}"
)


def installed() -> bool:
    """Whether the extra `encoders` is there."""
    return all(importlib.util.find_spec(name) for name in ("torch", "transformers"))


def text_encoder(settings: EncoderSettings) -> Encoder:
    """The model of the settings; raises `BadSettings` without the extra `encoders`."""
    if not installed():
        raise BadSettings(MISSING)
    from encoders.encoder import Encoder
    from encoders.model import load

    return Encoder(load(settings.model, settings.device, settings.dtype), settings.batch_tokens or None)


@contextmanager
def encoder_worker(settings: Settings) -> Iterator[Worker]:
    """A worker that knows both topics to their ends; raises `BadSettings` without the extra `encoders`."""
    s, kafka = settings.encoder, settings.kafka
    encoder = text_encoder(s)
    from encoders.log import VectorProducer, VectorReader
    from encoders.worker import Worker

    reader = VectorReader(confluent_consumer_config(kafka, f"{kafka.prefix}encoder"), kafka.prefix)
    try:
        worker = Worker(
            encoder, reader, VectorProducer(confluent_producer_config(kafka), kafka.prefix), s.batch, s.reencode_per_s
        )
        worker.start()
        yield worker
    finally:
        reader.close()


def run(settings: Settings, once: bool) -> dict[str, Any]:
    """Encode until SIGINT or SIGTERM, or with `once` until nothing is left; what was done."""
    vitals = EncoderVitals(settings.kafka.stall_timeout_s)
    with _stopping() as stopped, answering(settings.health, vitals), encoder_worker(settings) as worker:
        vitals.worker = worker
        worker.step()
        while not stopped() and not (once and not worker.waiting):
            vitals.stepped()
            worker.step()
        return dataclasses.asdict(worker.counts)


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM came within the block."""
    signals: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        signals.append(number)

    before = {name: signal.signal(name, note) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(signals)
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
