"""The bytes of a picture to pixels of the size that a model reads."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from encoders.pictures.refusal import Refused

Pixels = NDArray[np.uint8]
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP")
MOST_PIXELS = 60_000_000
FINER = 2
"""A JPEG is decoded no finer than this many times the size that is read: the rest would be thrown away."""


@dataclass(frozen=True, slots=True)
class Frame:
    """How a picture comes to the model's size: its shorter side to `resize`, then the middle `size` x `size`.

    With `whole` both sides become `size`, whatever their ratio.  `filter` is one of Pillow's.
    """

    size: int
    resize: int
    whole: bool = False
    filter: int = int(Image.Resampling.BICUBIC)


def decoded(content: bytes, frame: Frame) -> Pixels:
    """Pixels uint8[size, size, 3] of the first frame of a picture, upright, on white; raises `Refused`."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Refused("size", f"expected at most {MOST_PIXELS:,} pixels, got {image.width} x {image.height}")
            image.draft("RGB", (FINER * frame.resize, FINER * frame.resize))
            return np.asarray(framed(_on_white(ImageOps.exif_transpose(image)), frame))
    except Refused:
        raise
    except Exception as error:  # noqa: BLE001 (decoders raise whatever they like)
        raise Refused("broken", f"expected a picture ({', '.join(FORMATS)}): {error}"[:200]) from None


def framed(image: Image.Image, frame: Frame) -> Image.Image:
    """A picture at the model's size."""
    kind = Image.Resampling(frame.filter)
    if frame.whole:
        return image.resize((frame.size, frame.size), kind)
    scale = frame.resize / min(image.size)
    width, height = (max(frame.size, round(side * scale)) for side in image.size)
    left, top = (width - frame.size) / 2 / width, (height - frame.size) / 2 / height
    # Only what is inside is resized.
    box = (left * image.width, top * image.height, (1 - left) * image.width, (1 - top) * image.height)
    return image.resize((frame.size, frame.size), kind, box=box)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        clear = image.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return image.convert("RGB")
