"""Texts as what is learned from: some of their words are left out, and other words may stand for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from encoders.encoder import Encoder
from encoders.model import TextModel, padded, token_ids
from encoders.text_side import TextSide
from encoders.tuning.adapters import add_adapters, save_tuned
from encoders.wire import Vectors

DROPPED = 0.15
"""Share of words that are left out of a text while training: the same item must be found by less."""
REWRITTEN = 0.5
"""Share of texts that are learned from in other words, where there are any."""
LONGEST = 128


class TextStudent:
    """A text model that learns; a key is a text, and `rewritten` has the same in other words."""

    def __init__(self, model: TextModel, rewritten: Mapping[str, Sequence[str]] | None = None) -> None:
        self.model, self._rewritten = model, rewritten or {}

    @property
    def network(self) -> Any:
        """What learns."""
        return self.model.network

    def add_adapters(self, rank: int) -> list[torch.nn.Parameter]:
        """Adapters in the text side alone, where the model has another."""
        return add_adapters(self.network, rank, "text_model" if isinstance(self.network, TextSide) else "")

    def vectors(self, keys: Sequence[str], rng: np.random.Generator) -> torch.Tensor:
        """Vectors with their gradients, float32[N, D]."""
        texts = [shortened(self._in_some_words(key, rng), rng) for key in keys]
        ids = [tokens[:LONGEST] for tokens in token_ids(self.model, texts)]
        return self.model.pooled(*padded(self.model, ids))

    def encoded(self, keys: Sequence[str]) -> Vectors:
        """Vectors of whole texts, as the encoder makes them."""
        return Encoder(self.model).encode(keys).vectors

    def save(self, origin: Path, folder: Path) -> None:
        """Write the model as `encoder.model` reads it."""
        save_tuned(self.network.network if isinstance(self.network, TextSide) else self.network, origin, folder)

    def _in_some_words(self, text: str, rng: np.random.Generator) -> str:
        others = self._rewritten.get(text, ())
        return others[int(rng.integers(len(others)))] if others and rng.random() < REWRITTEN else text


def shortened(text: str, rng: np.random.Generator) -> str:
    """The text without some of its words, never without all of them."""
    words = text.split(" ")
    retained = [word for word, stays in zip(words, rng.random(len(words)) >= DROPPED, strict=True) if stays]
    return " ".join(retained or words)
