"""`reshelf bench encode`, small: the same vectors as sentence-transformers, and updates through the worker."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reshelf.cli.main import run
from tests.encoders.conftest import NO_TORCH


def test_both_encode_the_same_texts_to_the_same_vectors(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason=NO_TORCH)
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed (`make bench`)")
    assert run(["bench", "encode", "--texts", "8", "--device", "cpu", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["min_cosine"] > 0.999
    assert told["ratio_to_sentence_transformers"] > 0.0
    assert told["texts"] == 8
    assert told["ratio_in_the_same_numbers"] > 0.0
    assert {"float32", "bfloat16", "int8"} <= set(told["dtypes"])
    assert 0.98 < told["dtypes"]["int8"]["min_cosine"] < told["dtypes"]["float32"]["min_cosine"]


def test_of_updates_exactly_the_changed_texts_are_encoded(
    broker: str, prefix: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason=NO_TORCH)
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed (`make bench`)")
    monkeypatch.setenv("RESHELF_KAFKA__BOOTSTRAP", broker)
    monkeypatch.setenv("RESHELF_KAFKA__PREFIX", prefix)
    assert run(["bench", "encode", "--updates", "200", "--device", "cpu", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["texts_changed"] == told["texts_encoded"] == 10
    assert told["exactly_the_changed"] is True
    assert (told["missed"], told["needless"], told["encoded_again_by_a_new_worker"]) == (0, 0, 0)


def test_before_any_item_is_in_its_first_day_there_is_no_ratio() -> None:
    pytest.importorskip("torch", reason=NO_TORCH)
    from bench.decisions import pictured

    lost = {
        inputs: np.array([[0.0, first_day]]) for inputs, first_day in (("none", 8.0), ("texts", 6.0), ("both", 3.0))
    }
    figures = pictured._figures({**lost, "pictures": np.array([[0.0, 4.0]])})
    assert figures["pictures_to_none"] == [None, 0.5]
    assert figures["both_to_the_better"] == [None, 0.75]
