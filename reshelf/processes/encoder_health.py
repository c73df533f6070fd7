"""`/live`, `/ready` and `/metrics` of the encoder, answered by a thread of their own: the model blocks the main one."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING

from encoders.pictures.refusal import REASONS
from streams.metrics import REGISTRY, Sample
from streams.settings import HealthSettings
from streams.transport.health import Health, HealthServer, of_health

if TYPE_CHECKING:
    from encoders.pictures.lane import PictureCounts
    from encoders.worker import Counts, Worker


class EncoderVitals:
    """Live while steps are taken, each within `still_s`; ready once both topics were read to their ends."""

    def __init__(self, still_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.worker: Worker | None = None
        self._still_s, self._clock = still_s, clock
        self._stepped = clock()

    def stepped(self) -> None:
        """The worker took a step."""
        self._stepped = self._clock()

    def health(self) -> Health:
        """How the encoder is now; while it starts it is live."""
        if self.worker is None:
            return Health(True, False, ("the model is being loaded, or the topics are being read",), {})
        live = self._clock() - self._stepped < self._still_s
        reasons = () if live else (f"no step for {self._still_s:g} s or longer",)
        return Health(live, live, reasons, {})

    def samples(self) -> list[Sample]:
        """What the encoder exposes to Prometheus."""
        worker = self.worker
        metrics = [] if worker is None else of_counts(worker.counts, worker.waiting)
        if worker is not None and worker.pictures is not None:
            metrics += of_pictures(worker.pictures.lane.counts, worker.waiting_pictures)
        return [*of_health(self.health()), *metrics, *REGISTRY.samples()]


def of_counts(counts: Counts, waiting: int) -> list[Sample]:
    """What the worker did, and how many texts wait, as samples."""
    results = ("encoded", "skipped", "truncated", "failed", "deleted")
    return [
        *(Sample("reshelf_encoder_texts_total", (name,), getattr(counts, name)) for name in results),
        Sample("reshelf_encoder_waiting_texts", (), waiting),
        Sample("reshelf_encoder_model_seconds_total", (), counts.model_s),
    ]


def of_pictures(counts: PictureCounts, waiting: int) -> list[Sample]:
    """What became of pictures, as samples."""
    done = {"encoded": counts.encoded, "unchanged": counts.unchanged}
    return [
        *(Sample("reshelf_encoder_pictures_total", (name,), value) for name, value in done.items()),
        *(Sample("reshelf_encoder_refused_pictures_total", (name,), counts.refused[name]) for name in REASONS),
        Sample("reshelf_encoder_waiting_pictures", (), waiting),
        Sample("reshelf_encoder_lacking_pictures", (), counts.lacking),
    ]


@contextlib.contextmanager
def answering(settings: HealthSettings, vitals: EncoderVitals) -> Iterator[None]:
    """Answer while the block runs, where `settings` name a port; raises as `HealthServer` does."""
    server, loop = HealthServer(settings, vitals), asyncio.new_event_loop()
    ended, up = asyncio.Event(), Future[None]()

    async def serve() -> None:
        try:
            async with server:
                up.set_result(None)
                await ended.wait()
        except Exception as error:  # noqa: BLE001  the caller that starts the server reports it
            up.set_exception(error)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="health", daemon=True)
    thread.start()
    try:
        up.result()
        yield
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
