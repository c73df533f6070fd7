"""`reshelf bench encode`, small: the same vectors as sentence-transformers, and updates through the worker."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import logit

from policy.simulation.race import opened
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


def test_bounds_are_told_what_attractiveness_follows() -> None:
    pytest.importorskip("PIL", reason="pillow is not installed")
    from bench.decisions import pictured

    rng = np.random.default_rng(1)
    design = np.eye(15)[rng.integers(0, 15, 60)]
    pool = pictured.Pool(design, design @ rng.normal(size=(15, 40)))
    for texts_tell in (False, True):
        shop = opened(replace(pictured.SHAPE, text_share=1.0, bounded=False), 1, 6_000)
        designs = pictured.pictured(shop, pool, texts_tell)
        interest = logit(shop.attraction[0])
        for each in designs.values():
            columns = np.concatenate([each, np.ones((len(each), 1))], axis=1)
            left = interest - columns @ np.linalg.lstsq(columns, interest)[0]
            assert np.abs(left).max() < 1e-9 < interest.std(), "pictures of these looks show all of them"


def test_before_any_item_is_in_its_first_day_there_is_no_ratio() -> None:
    pytest.importorskip("torch", reason=NO_TORCH)
    from bench.decisions import pictured

    def figures(*shops: tuple[float, float, float, float]) -> dict[str, Any]:
        bounds = [(*shop, shop[2], shop[2]) for shop in shops]
        by_inputs = zip((*pictured.KNOWN, *pictured.BOUNDS), np.array(bounds).T, strict=True)
        return pictured._figures({inputs: np.stack([0.0 * lost, lost], axis=1) for inputs, lost in by_inputs})

    assert figures((8.0, 6.0, 4.0, 3.0))["pictures_to_none"] == [None, {"mean": 0.5}]
    two = figures((8.0, 6.0, 4.0, 3.0), (4.0, 3.0, 2.0, 2.5))
    assert two["pictures_to_none"] == [None, {"mean": 0.5, "low": 0.5, "high": 0.5}]
    nothing, ratio = two["both_to_the_better"]
    assert nothing is None and ratio["low"] < 5.5 / 6.0 < ratio["high"]
    content = {"seeds": 2, "page_views": [1, 2], "texts_tell_nothing": two, "texts_tell_as_much": two}
    assert "pictures to none: nothing lost, 0.50 (0.50 to 0.50)" in pictured.text_of(content)
