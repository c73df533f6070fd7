"""Texts to vectors, as many at once as the device takes.

The next texts are turned into tokens on another thread while the device works.
On a CPU several batches are encoded at once, each by one thread: threads that share
one small product wait for each other more than they win.  A batch that does not fit
into memory is halved; a text that fails by itself is reported with its reason and holds
up no other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch

from encoders.batches import Rows, batches
from encoders.model import TextModel, padded, token_ids
from encoders.wire import Vectors

CHUNK = 2_048
BUDGET = {"cpu": 1_024, "cuda": 131_072}
"""Tokens of a batch, with padding: what stays in a core's cache, and what fills a GPU."""

Tokens = dict[int, list[int]]


@dataclass(slots=True)
class Encoded:
    """Vectors float32[N, D] in the order of the texts, and by row why a text has none: its vector is all 0."""

    vectors: Vectors
    failed: dict[int, str] = field(default_factory=dict)
    truncated: int = 0


class Encoder:
    """A model with a token budget, which shrinks when memory runs out; on a CPU with a thread for each core."""

    def __init__(self, model: TextModel, batch_tokens: int | None = None) -> None:
        self.model = model
        on_cpu = model.device.type == "cpu"
        self._threads = ThreadPoolExecutor(_cores() if on_cpu else 1, "texts", _one_thread if on_cpu else None)
        self.batch_tokens = batch_tokens or BUDGET[model.device.type]
        self._dimensions = model.size

    def encode(self, texts: Sequence[str]) -> Encoded:
        """The vectors of `texts`."""
        result = Encoded(np.zeros((len(texts), self._dimensions), dtype=np.float32))
        with ThreadPoolExecutor(1, "tokens") as ahead:
            starts = range(0, len(texts), CHUNK)
            coming = [ahead.submit(self._tokens, texts, start, result.failed) for start in starts]
            for chunk in coming:
                self._encode(chunk.result(), result)
        for row in np.flatnonzero(~np.isfinite(result.vectors).all(axis=1) | ~result.vectors.any(axis=1)).tolist():
            result.vectors[row] = 0.0
            result.failed.setdefault(row, "expected a vector of finite numbers, got none")
        return result

    def _tokens(self, texts: Sequence[str], start: int, failed: dict[int, str]) -> Tokens:
        rows = range(start, min(start + CHUNK, len(texts)))
        try:
            return dict(zip(rows, token_ids(self.model, [texts[row] for row in rows]), strict=True))
        except Exception:  # noqa: BLE001 (one text spoils them all: each by itself)
            return {row: ids for row in rows if (ids := self._alone(texts[row], row, failed)) is not None}

    def _alone(self, text: str, row: int, failed: dict[int, str]) -> list[int] | None:
        try:
            return token_ids(self.model, [text])[0]
        except Exception as error:  # noqa: BLE001 (whatever it was, the others go on)
            failed[row] = f"the tokenizer refused the text: {error}"[:300]
            return None

    def _encode(self, tokens: Tokens, result: Encoded) -> None:
        rows = list(tokens)
        result.truncated += sum(len(ids) >= self.model.recipe.longest for ids in tokens.values())
        todo = [[rows[at] for at in batch] for batch in batches([len(tokens[row]) for row in rows], self.batch_tokens)]
        ran = self._threads.map(lambda batch: list(self._run(batch, tokens, result.failed)), todo)
        for done, vectors in [pair for pairs in ran for pair in pairs]:
            result.vectors[done] = vectors.cpu().numpy()

    def _run(self, rows: list[int], tokens: Tokens, failed: dict[int, str]) -> Iterator[tuple[Rows, torch.Tensor]]:
        try:
            vectors = self.model.forward(*padded(self.model, [tokens[row] for row in rows]))
        except RuntimeError as error:
            if len(rows) == 1:
                failed[rows[0]] = f"the model failed: {error}"[:300]
                return
            self._spare(error, len(rows) * len(tokens[rows[0]]))
            half = len(rows) // 2
        else:
            yield np.array(rows, dtype=np.intp), vectors
            return
        yield from self._run(rows[:half], tokens, failed)
        yield from self._run(rows[half:], tokens, failed)

    def _spare(self, error: RuntimeError, size: int) -> None:
        """Memory was too small: later batches are halved, too."""
        if isinstance(error, torch.OutOfMemoryError) or "memory" in str(error):
            self.batch_tokens = max(self.model.recipe.longest, min(self.batch_tokens, size) // 2)
            if self.model.device.type == "cuda":
                torch.cuda.empty_cache()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _one_thread() -> None:
    torch.set_num_threads(1)
