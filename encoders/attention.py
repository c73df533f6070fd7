"""Attention of transformers' models on a CPU, whose keys are filled up to whole registers.

torch's kernel walks the keys of a query in vectors of 16 numbers, and takes the rest of
a row one by one: 72 keys take twice as long as 80.  Keys that are added get no weight.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import pad
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

FILLED = "sdpa_filled"
"""The name of this attention in a model's configuration."""
REGISTER = 16


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """What "sdpa" of transformers gives; query float[B, H, Q, D], key and value float[B, H, K, D].

    Where a model looks only back, or adds a bias for positions, keys stay as they are.
    """
    more = -key.shape[2] % REGISTER
    visible = (
        _visible_keys(module, query, key, attention_mask, options)
        if more and options.get("position_bias") is None
        else None
    )
    if visible is not None:
        key, value = pad(key, (0, 0, 0, more)), pad(value, (0, 0, 0, more))
        attention_mask = pad(visible, (0, more), value=False)
    attention: tuple[torch.Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    return attention


def _visible_keys(
    module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, options: dict[str, Any]
) -> torch.Tensor | None:
    """Which keys a query sees, bool[B or 1, 1, Q, K]; nothing where that is not said so."""
    if mask is not None:
        return mask if mask.dtype == torch.bool else None
    causal = options.get("is_causal")
    if causal if causal is not None else getattr(module, "is_causal", True):
        return None
    return torch.ones((1, 1, query.shape[2], key.shape[2]), dtype=torch.bool, device=key.device)


AttentionInterface.register(FILLED, attend)
AttentionMaskInterface.register(FILLED, sdpa_mask)
