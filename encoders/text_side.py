"""The text side of a model of texts and pictures (CLIP, SigLIP), used as a text encoder: both are in one space."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

PADDED = "siglip"
"""Models of this kind were trained on texts that are filled up to the longest, without a mask."""


def has_text_side(network: Any) -> bool:
    """Whether a model of transformers places texts and pictures in one space."""
    return hasattr(network, "get_text_features") and hasattr(network, "get_image_features")


class TextSide(nn.Module):  # type: ignore[misc]
    """From token ids and mask int64[B, T] to features [B, `size`]; it reads `longest` tokens."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        of_text = network.config.text_config
        self.longest = int(of_text.max_position_embeddings)
        sizes = getattr(network.config, "projection_dim", 0), getattr(of_text, "projection_size", 0)
        self.size = int(next((size for size in sizes if size), of_text.hidden_size))
        self._filler = of_text.pad_token_id if network.config.model_type.startswith(PADDED) else None

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The features of texts."""
        if self._filler is None:
            features = self.network.get_text_features(input_ids=ids, attention_mask=mask)
        else:
            ids = ids.masked_fill(mask == 0, self._filler)
            ids = nn.functional.pad(ids, (0, self.longest - ids.shape[1]), value=self._filler)
            features = self.network.get_text_features(input_ids=ids)
        return features if isinstance(features, torch.Tensor) else features.pooler_output
