"""Texts a second of the encoder and of sentence-transformers: same texts, model, device and run.

The texts go in parts, and each part through everyone in turn, so that whatever else
the machine does affects all of them equally.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from encoders.encoder import CHUNK, Encoder
from encoders.model import folder_of, load
from encoders.wire import Vectors
from policy.arrays import Vectors as Matrix
from reshelf.demo.shop.words import DEPARTMENTS, product
from reshelf.inspect.search.questions import nearest

PEER = "sentence-transformers"
PEER_BATCHES = {"cpu": (16, 32, 64, 128), "cuda": (128, 256, 512, 1_024)}
DTYPES = {"cpu": ("float32", "bfloat16", "int8"), "cuda": ("float16", "bfloat16")}
EXACT = "float32"
"""The peer's default number format, which cosines are compared with."""
TUNED_ON = 400
TUNED_SHARE = 0.25
MOST_SENTENCES = 8
SEARCHED = 100_000

Encode = Callable[[Sequence[str]], Vectors]
Say = Callable[[str], None]


@dataclass(slots=True)
class Contender:
    """Who encodes, how long all texts took it so far, and its cosines to the peer's vectors."""

    encode: Encode
    seconds: float = 0.0
    cosines: list[Vectors] = field(default_factory=list)


def product_texts(count: int, seed: int = 1) -> list[str]:
    """Titles, facts and one to `MOST_SENTENCES` sentences, as the encoder's template has them; no two are equal."""
    rng, titles = np.random.default_rng(seed), set[str]()
    texts = []
    for number in range(count):
        words = product(DEPARTMENTS[number % len(DEPARTMENTS)], rng, titles)
        more = [words.description, *(str(rng.choice(_SENTENCES)) for _ in range(rng.integers(0, MOST_SENTENCES)))]
        texts.append(f"{words.title}\n{words.category} | {words.brand}\n{' '.join(more)}")
    return texts


_SENTENCES = [
    f"{use} {promise}." for department in DEPARTMENTS for use in department.uses for promise in department.promises
]


def measure(count: int, rounds: int, device: str, model: str, limit_s: float, say: Say) -> dict[str, Any]:
    """All texts `rounds` times by the encoder and by the peer, with the batch size that is fastest on a part.

    Where the encoder's default number format is not float32, the peer also runs in that format.
    No part is begun after `limit_s` seconds: then `texts` is less than `count`.
    """
    texts, ours = product_texts(count), load(model, device)
    kind, default = ours.device.type, str(ours.dtype).removeprefix("torch.")
    encoder = Encoder(ours)
    say("warming up")
    few = texts[: min(TUNED_ON, max(1, round(TUNED_SHARE * count)))]
    encoder.encode(few)
    alone = _peak_mb()
    peers = {dtype: _Peer(model, kind, dtype, few, say) for dtype in dict.fromkeys((EXACT, default))}
    everyone = {
        default: Contender(_of(encoder)),
        **{_name(dtype): Contender(peer) for dtype, peer in peers.items()},
        **{dtype: Contender(_of(Encoder(load(model, device, dtype)))) for dtype in DTYPES[kind] if dtype != default},
    }
    done = _race(everyone, texts * rounds, time.monotonic() + limit_s, say)
    rates = {name: done / contender.seconds for name, contender in everyone.items()}
    return {
        "device": _name_of(ours.device),
        "threads": os.cpu_count(),
        "model": f"{ours.name}@{ours.revision}",
        "texts": min(count, done),
        "rounds": round(done / count, 2),
        "texts_a_second": round(rates[default], 1),
        "sentence_transformers_texts_a_second": round(rates[PEER], 1),
        "sentence_transformers_batch": peers[EXACT].batch,
        "ratio_to_sentence_transformers": round(rates[default] / rates[PEER], 3),
        "ratio_in_the_same_numbers": round(rates[default] / rates[_name(default)], 3),
        "min_cosine": _row(everyone[default], done, rates[PEER])["min_cosine"],
        "dtypes": {name: _row(contender, done, rates[PEER]) for name, contender in everyone.items() if name != PEER},
        "memory_mb": {"encoder": alone, "all": _peak_mb()},
        "nearest_of_100k_ms": round(_search_ms(), 1),
    }


def _race(everyone: dict[str, Contender], texts: Sequence[str], until: float, say: Say) -> int:
    """Each part through everyone, who begins changing from part to part; how many texts were done."""
    done, names = 0, list(everyone)
    while done < len(texts) and (done == 0 or time.monotonic() < until):
        part = texts[done : done + CHUNK]
        turn = done // CHUNK % len(names)
        results = {name: _timed(everyone[name], part) for name in names[turn:] + names[:turn]}
        for name, vectors in results.items():
            everyone[name].cosines.append(_cosines(vectors, results[PEER]))
        done += len(part)
        rates = ", ".join(f"{name} {done / contender.seconds:,.0f}" for name, contender in everyone.items())
        say(f"{done:,} of {len(texts):,} texts; texts a second: {rates}")
    return done


def _row(contender: Contender, done: int, peer: float) -> dict[str, float]:
    cosines = np.concatenate(contender.cosines)
    return {
        "texts_a_second": round(done / contender.seconds, 1),
        "ratio_to_sentence_transformers": round(done / contender.seconds / peer, 3),
        "min_cosine": round(float(cosines.min()), 6),
        "mean_cosine": round(float(cosines.mean()), 6),
    }


def _of(encoder: Encoder) -> Encode:
    return lambda part: encoder.encode(part).vectors


class _Peer:
    """sentence-transformers in numbers of `dtype`, with the batch size that is fastest for `few`."""

    def __init__(self, model: str, device: str, dtype: str, few: Sequence[str], say: Say) -> None:
        numbers = {"dtype": getattr(torch, dtype)}
        self._model = SentenceTransformer(str(folder_of(model)), device=device, model_kwargs=numbers)
        took = {}
        for size in PEER_BATCHES[device]:
            say(f"{_name(dtype)} with batches of {size}")
            self._encode(few[:size], size)
            began = time.perf_counter()
            self._encode(few, size)
            took[size] = time.perf_counter() - began
        self.batch = min(took, key=lambda size: took[size])

    def __call__(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts, self.batch)

    def _encode(self, texts: Sequence[str], batch: int) -> Vectors:
        vectors = self._model.encode(list(texts), batch_size=batch, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)


def _name(dtype: str) -> str:
    return PEER if dtype == EXACT else f"{PEER} in {dtype}"


def _timed(contender: Contender, part: Sequence[str]) -> Vectors:
    """The vectors come to the CPU, so a GPU has ended its work."""
    began = time.perf_counter()
    vectors = contender.encode(part)
    contender.seconds += time.perf_counter() - began
    return vectors


def _cosines(vectors: Vectors, reference: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(reference, axis=1)
    return np.asarray((vectors * reference).sum(axis=1) / lengths, dtype=np.float32)


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
