"""The linear layers of a network in whole numbers of 8 bits, for a CPU (dynamic quantisation).

Each output's weights have a scale of their own, and so has each token that comes in:
so a vector does not depend on the texts beside it, as it would with one scale for a
whole batch, which also loses five times as much.  The rest of the network stays float32.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import nn

INPUTS, WEIGHTS = 127, 63
"""Largest numbers. Processors without VNNI add two products in 16 bits: 2 · 255 · 63 fits there, 2 · 255 · 127 not."""
TINY = 1e-12


class Int8Linear(nn.Module):  # type: ignore[misc]
    """Stands for a linear layer, float32[..., I] to float32[..., O]."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weights = layer.weight.detach()
        scales = weights.abs().amax(1).double().clamp_min(TINY) / WEIGHTS
        with warnings.catch_warnings():
            # torch means to move these numbers to another package; the version that has them is pinned.
            warnings.simplefilter("ignore")
            rounded = torch.quantize_per_channel(weights, scales, torch.zeros(len(weights)).long(), 0, torch.qint8)
            self.packed: Any = torch.ops.quantized.linear_prepack(rounded, None)
        self.bias = torch.zeros(len(weights)) if layer.bias is None else layer.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the layer gives, nearly."""
        sizes = inputs.abs().amax(-1, keepdim=True).clamp_min(TINY)
        outputs = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            inputs / sizes, 1.0 / INPUTS, INPUTS + 1, self.packed
        )
        return torch.addcmul(self.bias, outputs, sizes)


def in_int8(network: nn.Module) -> nn.Module:
    """The same network with its linear layers replaced, in place."""
    for name, part in network.named_children():
        if isinstance(part, nn.Linear):
            setattr(network, name, Int8Linear(part))
        else:
            in_int8(part)
    return network
