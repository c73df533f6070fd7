"""The default text model, once for all tests of the run."""

from __future__ import annotations

from typing import Any

import pytest

NO_TORCH = "torch is not installed: tests of the encoder are skipped (extra `encoders`)"


@pytest.fixture(scope="session")
def model() -> Any:
    """MiniLM on the CPU, in the numbers that its files have."""
    torch = pytest.importorskip("torch", reason=NO_TORCH)
    from encoders.model import load

    torch.set_num_threads(1)
    return load(device="cpu", dtype="float32")
