"""Pictures to vectors, decoded while the device works.

On a CPU each core takes batches of its own, from bytes to vectors: what one decodes another
computes.  On CUDA pictures are decoded by all cores ahead of the device, and copied from pinned memory.
A batch that does not fit into memory is halved; a picture that cannot be decoded is reported and
holds up no other.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from encoders.pictures.decode import Pixels, decoded
from encoders.pictures.model import PictureModel
from encoders.pictures.refusal import Refused

T = TypeVar("T")
BATCH = {"cpu": 8, "cuda": 128}
AHEAD = 2
"""Batches of each core that are on their way."""


@dataclass(slots=True)
class EncodedPictures:
    """Vectors float32[N, D] in the order of the pictures, and by row why a picture has none: its vector is all 0."""

    vectors: NDArray[np.float32]
    failed: dict[int, Refused] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Batch:
    rows: list[int]
    pixels: list[Pixels]
    failed: dict[int, Refused]


Computed = tuple[list[int], NDArray[np.float32], dict[int, Refused]]


class PictureEncoder:
    """A model with a batch size, which shrinks when memory runs out."""

    def __init__(self, model: PictureModel, batch: int = 0) -> None:
        self.model = model
        self.batch = batch or BATCH[model.device.type]
        self._on_cpu = model.device.type == "cpu"
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._cores = max(1, cores)
        self._pool = ThreadPoolExecutor(self._cores, "pictures", _one_thread if self._on_cpu else None)

    def encode(self, contents: Sequence[bytes]) -> EncodedPictures:
        """The vectors of pictures, given as the bytes of their files."""
        result = EncodedPictures(np.zeros((len(contents), self.model.size), dtype=np.float32))
        starts = range(0, len(contents), self.batch)
        batches = (list(range(start, min(start + self.batch, len(contents)))) for start in starts)
        jobs = (partial(self._decoded, rows, contents) for rows in batches)
        done = (
            self._ahead(partial(self._run, job) for job in jobs)
            if self._on_cpu
            else map(self._computed, self._ahead(jobs))
        )
        for rows, vectors, failed in done:
            result.vectors[rows] = vectors
            result.failed |= failed
        return result

    def _ahead(self, jobs: Iterator[Callable[[], T]]) -> Iterator[T]:
        """The results of jobs in their order, of which a few run ahead."""
        running: deque[Future[T]] = deque()
        for job in jobs:
            running.append(self._pool.submit(job))
            if len(running) > AHEAD * self._cores:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()

    def _run(self, job: Callable[[], _Batch]) -> Computed:
        return self._computed(job())

    def _decoded(self, rows: list[int], contents: Sequence[bytes]) -> _Batch:
        batch = _Batch([], [], {})
        for row in rows:
            try:
                batch.pixels.append(decoded(contents[row], self.model.frame))
                batch.rows.append(row)
            except Refused as error:
                batch.failed[row] = error
        return batch

    def _computed(self, batch: _Batch) -> Computed:
        failed = dict(batch.failed)
        vectors = np.zeros((len(batch.rows), self.model.size), dtype=np.float32)
        for places, some in self._forward(list(range(len(batch.rows))), batch, failed):
            vectors[places] = some
        for place in np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist():
            vectors[place] = 0.0
            failed.setdefault(batch.rows[place], Refused("broken", "expected a vector of finite numbers, got none"))
        return batch.rows, vectors, failed

    def _forward(
        self, places: list[int], batch: _Batch, failed: dict[int, Refused]
    ) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        if not places:
            return
        pixels = torch.from_numpy(np.stack([batch.pixels[place] for place in places]))
        try:
            if not self._on_cpu:
                pixels = pixels.pin_memory().to(self.model.device, non_blocking=True)
            yield places, self.model.forward(pixels).cpu().numpy()
            return
        except RuntimeError as error:
            if len(places) == 1:
                failed[batch.rows[places[0]]] = Refused("broken", f"the model failed: {error}"[:200])
                return
            self.batch = max(1, min(self.batch, len(places) // 2))
        half = len(places) // 2
        yield from self._forward(places[:half], batch, failed)
        yield from self._forward(places[half:], batch, failed)


def _one_thread() -> None:
    torch.set_num_threads(1)
