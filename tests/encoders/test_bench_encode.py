"""`reshelf bench encode`, small: the same vectors as sentence-transformers, and the form of the answer."""

from __future__ import annotations

import json

import pytest

from reshelf.command import run
from tests.encoders.conftest import NO_TORCH


def test_both_encode_the_same_texts_to_the_same_vectors(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason=NO_TORCH)
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed (extra `bench`)")
    assert run(["bench", "encode", "--texts", "8", "--device", "cpu", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["min_cosine"] > 0.999
    assert told["ratio_to_sentence_transformers"] > 0.0
    assert told["texts"] == 8
