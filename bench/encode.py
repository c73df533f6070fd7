"""Texts a second of the encoder and of sentence-transformers: same texts, model, device and run."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from encoders.encoder import Encoder
from encoders.model import TextModel, folder_of, load
from encoders.wire import Vectors
from reshelf.asking import nearest
from reshelf.demo.words import DEPARTMENTS, product
from streams.layouts.embeddings import Vectors as Matrix

PEER_BATCHES = {"cpu": (16, 32, 64, 128), "cuda": (128, 256, 512, 1_024)}
TUNED_ON = 400
TUNED_SHARE = 0.25
MOST_SENTENCES = 8
SEARCHED = 100_000


class Rate(NamedTuple):
    """Seconds that all texts took, in each round."""

    seconds: list[float]

    def a_second(self, texts: int) -> float:
        """Texts a second in the median round."""
        return texts / float(np.median(self.seconds))


def product_texts(count: int, seed: int = 1) -> list[str]:
    """Titles, facts and one to `MOST_SENTENCES` sentences, as the encoder's template has them; no two alike."""
    rng, titles = np.random.default_rng(seed), set[str]()
    found = []
    for number in range(count):
        words = product(DEPARTMENTS[number % len(DEPARTMENTS)], rng, titles)
        more = [words.description, *(str(rng.choice(_SENTENCES)) for _ in range(rng.integers(0, MOST_SENTENCES)))]
        found.append(f"{words.title}\n{words.category} | {words.brand}\n{' '.join(more)}")
    return found


_SENTENCES = [f"{use} {promise}." for one in DEPARTMENTS for use in one.uses for promise in one.promises]


def measure(count: int, rounds: int, device: str, model: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Both in turns, `rounds` times; the peer with the batch size that is fastest on a part of the texts."""
    texts = product_texts(count)
    ours = load(model, device)
    encoder = Encoder(ours)
    say("warming up")
    part = texts[: min(TUNED_ON, max(1, round(TUNED_SHARE * count)))]
    encoder.encode(part)
    alone = _peak_mb()
    peer = SentenceTransformer(str(folder_of(model)), device=ours.device.type)
    batch = _best_batch(peer, part, PEER_BATCHES[ours.device.type], say)
    own, other, cosine = Rate([]), Rate([]), 1.0
    for turn in range(rounds):
        say(f"round {turn + 1} of {rounds}")
        found = _timed(own, lambda: encoder.encode(texts).vectors, ours)
        reference = _timed(other, lambda: _peers(peer, texts, batch), ours)
        cosine = min(cosine, _least_cosine(found, reference))
    return {
        "device": _name_of(ours.device),
        "threads": os.cpu_count(),
        "model": f"{ours.name}@{ours.revision}",
        "texts": count,
        "texts_a_second": round(own.a_second(count), 1),
        "sentence_transformers_texts_a_second": round(other.a_second(count), 1),
        "sentence_transformers_batch": batch,
        "ratio_to_sentence_transformers": round(own.a_second(count) / other.a_second(count), 3),
        "min_cosine": round(cosine, 6),
        "memory_mb": {"encoder": alone, "both": _peak_mb()},
        "nearest_of_100k_ms": round(_search_ms(), 1),
    }


def _peers(peer: SentenceTransformer, texts: Sequence[str], batch: int) -> Vectors:
    found = peer.encode(list(texts), batch_size=batch, normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(found, dtype=np.float32)


def _best_batch(
    peer: SentenceTransformer, texts: Sequence[str], sizes: Sequence[int], say: Callable[[str], None]
) -> int:
    _peers(peer, texts[: sizes[0]], sizes[0])
    took = {}
    for size in sizes:
        say(f"the peer with batches of {size}")
        began = time.perf_counter()
        _peers(peer, texts, size)
        took[size] = time.perf_counter() - began
    return min(took, key=lambda size: took[size])


def _timed(rate: Rate, run: Callable[[], Vectors], model: TextModel) -> Vectors:
    began = time.perf_counter()
    found = run()
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    rate.seconds.append(time.perf_counter() - began)
    return found


def _least_cosine(found: Vectors, reference: Vectors) -> float:
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(reference, axis=1)
    return float(((found * reference).sum(axis=1) / lengths).min())


def _search_ms() -> float:
    rng = np.random.default_rng(1)
    vectors: Matrix = rng.standard_normal((SEARCHED, 384), dtype=np.float32)
    has, took = np.ones(SEARCHED, dtype=np.bool_), []
    for _ in range(5):
        began = time.perf_counter()
        nearest(vectors, has, vectors[0], 100)
        took.append(1_000 * (time.perf_counter() - began))
    return float(np.median(took))


def _name_of(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _peak_mb() -> float:
    """The largest resident memory of this process so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024, 0)
