"""Pictures of made-up goods, whose shape, colour and pattern can be chosen: no two are the same."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

Box = tuple[float, float, float, float]
Draw = Callable[[ImageDraw.ImageDraw, Box, str], None]


def _polygon(*points: tuple[float, float]) -> Draw:
    def draw(canvas: ImageDraw.ImageDraw, box: Box, ink: str) -> None:
        left, top, right, bottom = box
        canvas.polygon([(left + x * (right - left), top + y * (bottom - top)) for x, y in points], fill=ink)

    return draw


SHAPES: Mapping[str, Draw] = {
    "ball": lambda canvas, box, ink: canvas.ellipse(box, fill=ink),
    "box": lambda canvas, box, ink: canvas.rectangle(box, fill=ink),
    "tent": _polygon((0.5, 0.0), (1.0, 1.0), (0.0, 1.0)),
    "kite": _polygon((0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.0, 0.5)),
    "shirt": _polygon(
        (0.3, 0.0), (0.7, 0.0), (1.0, 0.3), (0.85, 0.45), (0.75, 0.35), (0.75, 1.0), (0.25, 1.0), (0.25, 0.35),
        (0.15, 0.45), (0.0, 0.3),
    ),
}  # fmt: skip
HUES = (0.0, 0.11, 0.33, 0.55, 0.66, 0.83)
PATTERNS = ("plain", "stripes", "dots", "checks")


class Look(NamedTuple):
    """What a picture shows, each a number of the kinds above."""

    shape: int
    hue: int
    pattern: int


def picture(look: Look, rng: np.random.Generator, side: int = 256) -> bytes:
    """A picture as the bytes of a JPEG; where it stands, how large it is and its light come from `rng`."""
    size, light = rng.uniform(0.55, 0.8) * side, rng.uniform(0.75, 1.0)
    left, top = rng.uniform(0.05, 0.95 - size / side, 2) * side
    mask = Image.new("L", (side, side), 0)
    list(SHAPES.values())[look.shape](ImageDraw.Draw(mask), (left, top, left + size, top + size), "white")
    hue = HUES[look.hue] + rng.normal(0.0, 0.01)
    inks = [_ink(hue, 0.85, light), _ink(hue, 0.35, 1.0)]
    image = Image.new("RGB", (side, side), _ink(0.0, 0.0, rng.uniform(0.88, 1.0)))
    image.paste(_cloth(look.pattern, inks, rng, side), mask=mask)
    pixels = np.asarray(image, dtype=np.float64) + rng.normal(0.0, 4.0, (side, side, 3))
    content = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(content, "JPEG", quality=88)
    return content.getvalue()


def _cloth(pattern: int, inks: list[str], rng: np.random.Generator, side: int) -> Image.Image:
    cloth = Image.new("RGB", (side, side), inks[0])
    canvas, step, start = ImageDraw.Draw(cloth), int(rng.integers(20, 34)), int(rng.integers(0, 20))
    for at in range(start - step, side, step):
        if PATTERNS[pattern] == "stripes":
            canvas.rectangle((0, at, side, at + step // 2), fill=inks[1])
        for across in range(start - step, side, step) if pattern > 1 else ():
            box = (across, at, across + step // 2, at + step // 2)
            (canvas.ellipse if PATTERNS[pattern] == "dots" else canvas.rectangle)(box, fill=inks[1])
    return cloth


def _ink(hue: float, saturation: float, value: float) -> str:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue % 1.0, saturation, value))
    return f"#{red:02x}{green:02x}{blue:02x}"
