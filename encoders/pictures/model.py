"""A picture encoder from a folder or by name, used as its own files say.

"" is EfficientNet-Lite0 from its package.  Of transformers, models that have a text side
too (CLIP, SigLIP) give a picture the place in their common space; others (DINOv2, ViT) the
state of their first token.  Vectors have length 1.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoModel

from encoders.model import default_dtype, device_of, fingerprint, folder_of, require_safetensors
from encoders.pictures import efficientnet
from encoders.pictures.decode import Frame
from schemas.errors import BadSettings

SETTING = "pictures.model"
PREPROCESSING = "preprocessor_config.json"


@dataclass(frozen=True, slots=True)
class PictureModel:
    """A model on its device; `revision` is a fingerprint of all that shapes its vectors, float32[`size`]."""

    name: str
    revision: str
    frame: Frame
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    size: int
    network: Any
    device: torch.device
    dtype: torch.dtype

    @torch.inference_mode()
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Vectors float32[B, D] of length 1 for pixels uint8[B, H, W, 3] on the model's device."""
        return torch.nn.functional.normalize(self.pooled(pixels), dim=1)

    def pooled(self, pixels: torch.Tensor) -> torch.Tensor:
        """The same before normalisation, with gradients where they are needed."""
        mean, deviation = (torch.tensor(each, device=self.device) for each in (self.mean, self.deviation))
        # Channels come last in memory, as the pixels have them: convolutions are faster for it.
        inputs = ((pixels.float() / 255.0 - mean) / deviation).to(self.dtype).permute(0, 3, 1, 2)
        features: torch.Tensor = self.network(inputs).float()
        return features


def load_pictures(name: str = "", device: str = "auto", dtype: str = "auto") -> PictureModel:
    """The model at a path or of a name; raises `BadSettings`.

    `dtype` is "auto" (float16 on CUDA, bfloat16 on a CPU that multiplies matrices of it, float32
    elsewhere), "float32", "float16" or "bfloat16".
    """
    where = device_of(device)
    kind = default_dtype(where) if dtype in ("auto", "int8") else getattr(torch, dtype)
    if not name:
        network: Any = efficientnet.load_network().to(where, kind, memory_format=torch.channels_last)
        frame = Frame(efficientnet.SIZE, efficientnet.RESIZE)
        normal = (efficientnet.MEAN,) * 3, (efficientnet.DEVIATION,) * 3
        revision, size = efficientnet.SHA256[:12], efficientnet.DIMENSIONS
        return PictureModel(efficientnet.PACKAGE, revision, frame, *normal, size, network, where, kind)
    folder = folder_of(name, SETTING)
    require_safetensors(folder, SETTING)
    preprocessing = _preprocessing(folder)
    network = _Features(_loaded(folder, kind)).to(where).eval()
    frame, size = _frame(preprocessing), network.size
    normal = tuple(preprocessing["image_mean"]), tuple(preprocessing["image_std"])
    return PictureModel(name, fingerprint(folder), frame, *normal, size, network, where, kind)


class _Features(torch.nn.Module):  # type: ignore[misc]
    """A model of transformers, from pixels float[B, 3, H, W] to features [B, `size`]."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        config = network.config
        self.joint = hasattr(network, "get_image_features")
        sizes = ("projection_dim", "hidden_size") if self.joint else ("hidden_size",)
        widths = (
            getattr(part, name, 0) for name in sizes for part in (config, getattr(config, "vision_config", config))
        )
        self.size = next(int(each) for each in widths if each)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """In the common space where there is one, else the state of the first token."""
        if self.joint:
            features = self.network.get_image_features(pixel_values=inputs)
            return features if isinstance(features, torch.Tensor) else features.pooler_output
        outputs = self.network(pixel_values=inputs)
        return outputs.last_hidden_state[:, 0]


def _loaded(folder: Path, kind: torch.dtype) -> Any:
    try:
        return AutoModel.from_pretrained(
            folder, use_safetensors=True, dtype=kind, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise BadSettings(f"{SETTING}: expected a picture encoder of transformers in {folder}, got: {error}") from None


def _preprocessing(folder: Path) -> dict[str, Any]:
    path = folder / PREPROCESSING
    content = json.loads(path.read_text()) if path.is_file() else {}
    content = content.get("image_processor", content)
    if missing := {"image_mean", "image_std", "size"} - content.keys():
        raise BadSettings(
            f"{SETTING}: expected {', '.join(sorted(missing))} in {path}, got none. Choose another model."
        )
    return dict(content)


def _frame(preprocessing: dict[str, Any]) -> Frame:
    """As transformers' image processors read their configuration."""
    size, crop = preprocessing["size"], preprocessing.get("crop_size")
    kind = int(preprocessing.get("resample", Image.Resampling.BICUBIC))
    if isinstance(size, int):
        size = {"shortest_edge": size}
    inner = (crop if isinstance(crop, int) else crop["height"]) if crop else 0
    if not preprocessing.get("do_center_crop", bool(inner)):
        inner = 0
    if "shortest_edge" in size:
        resize = int(size["shortest_edge"])
        return Frame(int(inner or resize), resize, False, kind)
    return Frame(int(size["height"]), int(size["height"]), True, kind)
