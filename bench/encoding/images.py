"""Pictures a second of the encoder and of a plain loop: same pictures, model, device and run.

The plain loop is what one writes in a few lines: Pillow decodes, the pixels are scaled and cropped, and
batches go through the network in float32, with all threads that torch takes by itself.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from bench.encoding.drawing import HUES, PATTERNS, SHAPES, Look, picture
from encoders.pictures.encoder import PictureEncoder
from encoders.pictures.model import PictureModel, load_pictures

Say = Callable[[str], None]
PLAIN_BATCH = 32
PART = 64
SIDE = 1_000
"""Pixels of a side, as shops have them."""
DRAWN = 64
"""Different pictures: drawing one takes longer than encoding it."""


def measure(count: int, device: str, model: str, limit_s: float, say: Say) -> dict[str, Any]:
    """Pictures by both, part by part in turns; no part is begun after `limit_s` seconds."""
    rng = np.random.default_rng(1)
    looks = (Look(*rng.integers((len(SHAPES), len(HUES), len(PATTERNS))).tolist()) for _ in range(min(count, DRAWN)))
    drawn = [picture(look, rng, SIDE) for look in looks]
    contents = [drawn[number % len(drawn)] for number in range(count)]
    encoder, exact = PictureEncoder(load_pictures(model, device)), load_pictures(model, device, "float32")
    encoder.encode(contents[:8])
    plain(exact, contents[:8])
    seconds, cosines, done = [0.0, 0.0], list[NDArray[np.float32]](), 0
    until = time.monotonic() + limit_s
    while done < count and (done == 0 or time.monotonic() < until):
        part = contents[done : done + PART]
        both = [_timed(seconds, 0, lambda part=part: encoder.encode(part).vectors)]  # type: ignore[misc]
        both.append(_timed(seconds, 1, lambda part=part: plain(exact, part)))  # type: ignore[misc]
        cosines.append((both[0] * both[1]).sum(axis=1))
        done += len(part)
        say(f"{done:,} of {count:,} pictures; a second: {done / seconds[0]:.1f}, plain loop {done / seconds[1]:.1f}")
    of = encoder.model
    return {
        "device": str(of.device),
        "model": f"{of.name}@{of.revision}",
        "dtype": str(of.dtype).removeprefix("torch."),
        "pictures": done,
        "pictures_a_second": round(done / seconds[0], 2),
        "plain_loop_pictures_a_second": round(done / seconds[1], 2),
        "ratio_to_plain_loop": round(seconds[1] / seconds[0], 3),
        "min_cosine": round(float(np.concatenate(cosines).min()), 6),
    }


def _timed(seconds: list[float], who: int, work: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
    began = time.perf_counter()
    vectors = work()
    seconds[who] += time.perf_counter() - began
    return vectors


@torch.inference_mode()
def plain(model: PictureModel, contents: Sequence[bytes]) -> NDArray[np.float32]:
    """The vectors of pictures, float32[N, D], one batch after the other."""
    mean, deviation = (torch.tensor(each)[:, None, None] for each in (model.mean, model.deviation))
    vectors = []
    for start in range(0, len(contents), PLAIN_BATCH):
        pixels = [torch.from_numpy(_scaled(content, model)) for content in contents[start : start + PLAIN_BATCH]]
        inputs = (torch.stack(pixels).permute(0, 3, 1, 2).contiguous().float() / 255.0 - mean) / deviation
        features = model.network(inputs.to(model.device)).float()
        vectors.append(torch.nn.functional.normalize(features, dim=1).cpu().numpy())
    return np.concatenate(vectors)


def _scaled(content: bytes, model: PictureModel) -> NDArray[np.uint8]:
    image, frame = Image.open(io.BytesIO(content)).convert("RGB"), model.frame
    kind = Image.Resampling(frame.filter)
    if frame.whole:
        return np.array(image.resize((frame.size, frame.size), kind))
    scale = frame.resize / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), kind)
    left, top = (image.width - frame.size) // 2, (image.height - frame.size) // 2
    return np.array(image.crop((left, top, left + frame.size, top + frame.size)))
