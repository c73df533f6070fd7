"""The default text model, once for all tests of the run."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: tests of the encoder are skipped")

from encoders.model import TextModel, load  # noqa: E402


@pytest.fixture(scope="session")
def model() -> TextModel:
    """MiniLM on the CPU."""
    torch.set_num_threads(1)
    return load(device="cpu")
