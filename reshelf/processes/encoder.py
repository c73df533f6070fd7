"""The encoder worker with the clients of the settings, until a signal stops it."""

from __future__ import annotations

import dataclasses
import importlib.util
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from reshelf.processes.encoder_health import EncoderVitals, answering
from reshelf.service_settings import EncoderSettings, PicturesSettings
from reshelf.settings import Settings
from schemas.errors import BadSettings
from streams.kafka.clients import confluent_consumer_config, confluent_producer_config

if TYPE_CHECKING:
    from encoders.encoder import Encoder
    from encoders.pictures.cache import PictureCache
    from encoders.pictures.encoder import PictureEncoder
    from encoders.pictures.parts import PictureParts
    from encoders.pictures.source import PictureSource
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


def picture_encoder(settings: Settings) -> PictureEncoder:
    """The picture model of the settings; raises `BadSettings` without the extra `encoders`."""
    if not installed():
        raise BadSettings(MISSING)
    from encoders.pictures.encoder import PictureEncoder
    from encoders.pictures.model import load_pictures

    own = settings.encoder
    return PictureEncoder(load_pictures(settings.pictures.model, own.device, own.dtype), settings.pictures.batch)


def picture_parts(settings: Settings) -> PictureParts | None:
    """The pictures' side of the worker; None where pictures cannot come from anywhere."""
    own = settings.pictures
    if not own.wanted:
        return None
    from encoders.pictures.cache import PictureCache
    from encoders.pictures.lane import PictureLane
    from encoders.pictures.parts import PictureParts

    source = picture_source(own, PictureCache(Path(own.cache) if own.cache else None, own.cache_bytes))
    return PictureParts(picture_encoder(settings), PictureLane(source, own.per_s, own.max_age_s))


def picture_source(settings: PicturesSettings, cache: PictureCache) -> PictureSource:
    """Pictures as the settings allow them."""
    from encoders.pictures.fetch import Limits
    from encoders.pictures.source import PictureSource

    limits = Limits(settings.allowed_hosts, settings.private, settings.timeout_s, settings.max_bytes)
    return PictureSource(limits, Path(settings.folder) if settings.folder else None, cache, settings.max_age_s)


@contextmanager
def encoder_worker(settings: Settings) -> Iterator[Worker]:
    """A worker that knows both topics to their ends; raises `BadSettings` without the extra `encoders`."""
    s, kafka = settings.encoder, settings.kafka
    encoder, pictures = text_encoder(s), picture_parts(settings)
    from encoders.log import VectorProducer, VectorReader
    from encoders.worker import Worker

    reader = VectorReader(confluent_consumer_config(kafka, f"{kafka.prefix}encoder"), kafka.prefix)
    try:
        producer = VectorProducer(confluent_producer_config(kafka), kafka.prefix)
        worker = Worker(encoder, reader, producer, s.batch, s.reencode_per_s, pictures=pictures)
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
        while not stopped() and not (once and not worker.waiting and not worker.waiting_pictures):
            vitals.stepped()
            worker.step()
        return done_by(worker)


def done_by(worker: Worker) -> dict[str, Any]:
    """What the worker did; of pictures where it looks for any."""
    counts = dataclasses.asdict(worker.counts)
    if worker.pictures is not None:
        of = worker.pictures.lane.counts
        counts |= {"pictures": of.encoded, "pictures_refused": of.refused.total()}
    return counts


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
