"""Tuning: a picture side that learns what belongs together, other words for texts, and what is refused."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.encoders.conftest import NO_TORCH
from tests.encoders.small_models import SIZES, save_joint, save_pictured

for needed in ("torch", "PIL", "peft"):
    pytest.importorskip(needed, reason=NO_TORCH)

import torch  # noqa: E402
from transformers import BartConfig, BartForConditionalGeneration, Dinov2Config, Dinov2Model  # noqa: E402

from bench.encoding.drawing import Look, picture  # noqa: E402
from encoders.encoder import Encoder  # noqa: E402
from encoders.model import TextModel, load  # noqa: E402
from encoders.pictures.encoder import PictureEncoder  # noqa: E402
from encoders.pictures.model import load_pictures  # noqa: E402
from encoders.tuning.pictures import PictureStudent  # noqa: E402
from encoders.tuning.rewriting import load_rewriter, rewritten  # noqa: E402
from encoders.tuning.texts import TextStudent  # noqa: E402
from encoders.tuning.training import Plan, tune  # noqa: E402
from schemas.errors import BadSettings  # noqa: E402

HUES, EACH = 4, 6
LESSON = Plan(epochs=3, batch=8, rate=0.02, rank=4, retry=3)


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    """Pictures of goods of any shape and pattern; those of one hue belong together."""
    rng = np.random.default_rng(3)
    return {
        f"{hue}-{number}": picture(Look(number % 5, hue, number % 4), rng, 48)
        for hue in range(HUES)
        for number in range(EACH)
    }


def pairs_of(contents: dict[str, bytes]) -> list[tuple[str, str]]:
    pairs = itertools.permutations(sorted(contents), 2)
    return [(one, other) for one, other in pairs if one[0] == other[0] and (int(one[2]) + int(other[2])) % 2]


@pytest.mark.parametrize("kind", ["clip", "dinov2"])
def test_pictures_that_belong_together_come_near_and_the_words_stay(
    kind: str, contents: dict[str, bytes], model: TextModel, tmp_path: Path
) -> None:
    origin, folder = tmp_path / "origin", tmp_path / "tuned"
    if kind == "dinov2":
        torch.manual_seed(1)
        save_pictured(Dinov2Model(Dinov2Config(**SIZES, image_size=32, patch_size=8)), origin)
    else:
        save_joint(kind, model.tokenizer, origin)
    student = PictureStudent(load_pictures(str(origin), "cpu", "float32"), contents)
    pairs = pairs_of(contents)[::2]
    report = tune(student, pairs, pairs, sorted(contents), LESSON, lambda _: None)
    assert report.losses[-1] < report.losses[0] and report.kept_epoch
    student.save(origin, folder)
    saved = load_pictures(str(folder), "cpu", "float32")
    assert saved.revision != student.model.revision
    keys = sorted(contents)
    vectors = PictureEncoder(saved).encode([contents[key] for key in keys]).vectors
    assert np.allclose(vectors, student.encoded(keys), atol=1e-4)
    assert {path.suffix for path in folder.rglob("*")} <= {"", ".safetensors", ".json", ".txt", ".jinja"}
    if kind != "dinov2":
        before, after = (
            Encoder(load(str(each), "cpu", "float32")).encode(["a red ball"]).vectors for each in (origin, folder)
        )
        assert np.allclose(before, after, atol=1e-6), "the side of texts does not learn"


def test_a_lesson_that_helps_nothing_leaves_the_model_as_it_was(contents: dict[str, bytes], tmp_path: Path) -> None:
    torch.manual_seed(1)
    save_pictured(Dinov2Model(Dinov2Config(**SIZES, image_size=32, patch_size=8)), tmp_path)
    student = PictureStudent(load_pictures(str(tmp_path), "cpu", "float32"), contents)
    keys, pairs = sorted(contents), pairs_of(contents)
    before, names = student.encoded(keys), sorted(student.network.state_dict())
    few = Plan(epochs=1, batch=32, rate=1e-9, rank=2)
    assert tune(student, pairs[:8], pairs[:8], keys, few, lambda _: None).kept_epoch == 0
    assert np.allclose(student.encoded(keys), before, atol=1e-6)
    assert sorted(student.network.state_dict()) == names, "no adapter is left"


def test_a_picture_model_that_is_none_of_transformers_is_refused() -> None:
    with pytest.raises(BadSettings, match=r"pictures\.model: expected a picture encoder of transformers"):
        PictureStudent(load_pictures(device="cpu", dtype="float32"), {})


def test_the_side_of_texts_learns_alone(model: TextModel, tmp_path: Path) -> None:
    save_joint("clip", model.tokenizer, tmp_path)
    student = TextStudent(load(str(tmp_path), "cpu", "float32"))
    assert student.add_adapters(2)
    learning = {name for name, part in student.network.named_parameters() if part.requires_grad}
    assert learning and all("text_model" in name for name in learning)


def test_other_words_are_those_that_came_back_changed() -> None:
    heard: list[list[str]] = []

    def there(texts: Any) -> list[str]:
        heard.append(list(texts))
        return [text.upper() for text in texts]

    def back(texts: Any) -> list[str]:
        words = {"RED BALL": "scarlet ball", "LAMP": "lamp", "SHIRT": ""}
        return [words[text] for text in texts]

    found = rewritten(["red ball", "lamp", "shirt"], [there, back], times=2, seed=1)
    assert found == {"red ball": ["scarlet ball"]}, "unchanged, empty and the same again are left out"
    assert heard == [["red ball", "lamp", "shirt"]] * 2


def test_a_model_puts_texts_in_other_words_that_are_learned_from(
    model: TextModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("encoders.tuning.rewriting.LONGEST", 6)
    torch.manual_seed(2)
    ends = {"bos_token_id": 101, "eos_token_id": 102, "decoder_start_token_id": 101, "forced_eos_token_id": 102}
    tiny = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16,
            "encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 16}  # fmt: skip
    BartForConditionalGeneration(
        BartConfig(vocab_size=len(model.tokenizer), pad_token_id=0, **tiny, **ends)
    ).save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    texts = ["red ball", "防水儿童夹克"]
    rewriter = load_rewriter(str(tmp_path), "cpu")
    found = rewritten(texts, [rewriter.rewrite], times=1, seed=3)
    assert set(found) == set(texts) and found == rewritten(texts, [rewriter.rewrite], times=1, seed=3)
    student, rng = TextStudent(model, {"red ball": ["scarlet ball"]}), np.random.default_rng(1)
    assert {student._in_some_words("red ball", rng) for _ in range(20)} == {"red ball", "scarlet ball"}
    save_joint("clip", model.tokenizer, tmp_path / "clip")
    with pytest.raises(BadSettings, match="--rewrite: expected a model that makes texts of texts"):
        load_rewriter(str(tmp_path / "clip"), "cpu")
