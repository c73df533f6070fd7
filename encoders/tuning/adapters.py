"""Low-rank adapters of the attention's queries and values, and their weights merged into the model's.

Only adapters learn (LoRA; Hu et al. 2021, "LoRA: Low-rank adaptation of large language models"); they are merged at
the end, so that the result is a model like any other.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer

from encoders.model import SHAPING
from schemas.errors import BadSettings

PARTS = frozenset({"query", "value", "q_proj", "v_proj", "q_lin", "v_lin", "q", "v"})
"""What models of transformers call the layers that make queries and values."""


def add_adapters(network: Any, rank: int, within: str = "") -> list[torch.nn.Parameter]:
    """Adapters in the attention of `network`, in place, and their parameters, which alone learn.

    `within` is a part of the names of the layers that get any.  Raises `BadSettings` where a model has no such layers.
    """
    names = [
        name
        for name, part in network.named_modules()
        if isinstance(part, torch.nn.Linear) and name.rpartition(".")[2] in PARTS and within in name
    ]
    if not names:
        raise BadSettings(
            f"expected a model whose attention has layers named {', '.join(sorted(PARTS))}, got none in "
            f"{type(getattr(network, 'network', network)).__name__}. Tune another model."
        )
    inject_adapter_in_model(LoraConfig(r=rank, target_modules=names), network)
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def adapter_weights(network: Any) -> dict[str, torch.Tensor]:
    """A copy of what the adapters have learned so far."""
    return {name: value.detach().clone() for name, value in network.state_dict().items() if "lora_" in name}


def merge_adapters(network: Any, weights: dict[str, torch.Tensor]) -> None:
    """Put these weights of adapters into the layers that they belong to, and take the adapters off."""
    network.load_state_dict(weights, strict=False)
    for name, part in list(network.named_modules()):
        if isinstance(part, BaseTunerLayer):
            part.merge()
            above, _, last = name.rpartition(".")
            setattr(network.get_submodule(above), last, part.get_base_layer())
    network.requires_grad_(True).eval()


def save_tuned(network: Any, origin: Path, folder: Path) -> None:
    """Write a network of transformers as safetensors, with all that its `origin` says of how it is used."""
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(folder)
    for path in {path for kind in SHAPING[1:] for path in origin.glob(kind) if path.is_file()}:
        to = folder / path.relative_to(origin)
        if not to.exists() and not path.name.endswith(".index.json"):
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to)
