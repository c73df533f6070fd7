"""Pictures as what is learned from: half of them are mirrored, which hardly changes what they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from encoders.pictures.decode import decoded
from encoders.pictures.encoder import PictureEncoder
from encoders.pictures.model import PictureModel
from encoders.tuning.adapters import add_adapters, save_tuned
from encoders.wire import Vectors
from schemas.errors import BadSettings


class PictureStudent:
    """A picture model that learns; `contents` are the bytes of pictures by key, all of which can be decoded.

    Raises `BadSettings` for a model that is not one of transformers.
    """

    def __init__(self, model: PictureModel, contents: Mapping[str, bytes]) -> None:
        if not hasattr(model.network, "network"):
            raise BadSettings(
                f"pictures.model: expected a picture encoder of transformers to tune, such as CLIP, SigLIP or DINOv2, "
                f"got {model.name}. Set pictures.model to the name or folder of one."
            )
        self.model, self._contents = model, contents

    @property
    def network(self) -> Any:
        """What learns."""
        return self.model.network

    def add_adapters(self, rank: int) -> list[torch.nn.Parameter]:
        """Adapters in the picture side alone, where the model has another."""
        return add_adapters(self.network, rank, "vision_model" if self.network.joint else "")

    def vectors(self, keys: Sequence[str], rng: np.random.Generator) -> torch.Tensor:
        """Vectors with their gradients, float32[N, D]."""
        pixels = np.stack([decoded(self._contents[key], self.model.frame) for key in keys])
        mirrored = rng.random(len(keys)) < 0.5
        pixels[mirrored] = pixels[mirrored, :, ::-1]
        return self.model.pooled(torch.from_numpy(pixels).to(self.model.device))

    def encoded(self, keys: Sequence[str]) -> Vectors:
        """Vectors of pictures as they are, as the encoder makes them."""
        return PictureEncoder(self.model).encode([self._contents[key] for key in keys]).vectors

    def save(self, origin: Path, folder: Path) -> None:
        """Write the model as `pictures.model` reads it."""
        save_tuned(self.network.network, origin, folder)
