"""Texts to vectors with the model in the package."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.errors import BadSettings
from tests.encoders.conftest import NO_TORCH

torch = pytest.importorskip("torch", reason=NO_TORCH)
transformers = pytest.importorskip("transformers", reason=NO_TORCH)

from encoders.encoder import Encoder  # noqa: E402
from encoders.model import Recipe, TextModel, fingerprint, folder_of, load, read_recipe, token_ids  # noqa: E402

TEXTS = ["Waterproof jacket for kids", "Children's rain coat", "Blender, 800 W", "防水ジャケット", "Куртка", ""]


def reference(model: TextModel, text: str) -> np.ndarray:
    """One text by itself, without padding: the mean of its tokens, of length 1."""
    with torch.no_grad():
        states = model.network(input_ids=torch.tensor(token_ids(model, [text]))).last_hidden_state[0]
    mean = states.mean(0)
    return np.asarray(mean / mean.norm())


def test_vectors_are_those_of_each_text_by_itself(model: TextModel) -> None:
    texts = [*TEXTS, *(" ".join(TEXTS[:3] * count) for count in range(1, 20))]
    found = Encoder(model, batch_tokens=100).encode(texts)
    assert found.failed == {}
    cosines = [float(vector @ reference(model, text)) for text, vector in zip(texts, found.vectors, strict=True)]
    assert min(cosines) > 0.9999
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1.0, atol=1e-5)


def test_alike_texts_have_like_vectors(model: TextModel) -> None:
    coat, rain_coat, blender = Encoder(model).encode(TEXTS[:3]).vectors
    assert coat @ rain_coat > 0.5 > coat @ blender + 0.3


def test_a_long_text_loses_its_end_alone(model: TextModel) -> None:
    start = "rain coat " * 200
    found = Encoder(model).encode([start + "blender " * 300, start + "lamp " * 300])
    assert found.truncated == 2
    assert found.vectors[0] @ found.vectors[1] > 0.9999


@pytest.mark.parametrize(("kind", "longest"), [("Roberta", 18), ("XLMRoberta", 18), ("Bert", 20)])
def test_a_text_loses_its_end_where_the_model_has_no_more_positions(kind: str, longest: int, tmp_path: Path) -> None:
    """Models of RoBERTa's kind keep two of their 20 positions for padding."""
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(folder_of("") / name, tmp_path / name)
    sizes = {"vocab_size": 31_000, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    sizes |= {"num_attention_heads": 2, "max_position_embeddings": 20, "pad_token_id": 1}
    config = getattr(transformers, f"{kind}Config")(**sizes)
    getattr(transformers, f"{kind}Model")(config).save_pretrained(tmp_path)
    own = load(str(tmp_path), "cpu", "float32")
    found = Encoder(own).encode(["word " * count for count in range(10, 30)])
    assert own.recipe.longest == longest
    assert found.failed == {}
    assert found.truncated == sum(count + 2 >= longest for count in range(10, 30))


def test_a_text_that_breaks_the_tokenizer_does_not_stop_the_others(model: TextModel) -> None:
    found = Encoder(model).encode(["coat", "bad \ud800", "lamp"])
    assert list(found.failed) == [1]
    assert "tokenizer" in found.failed[1]
    assert not found.vectors[1].any()
    assert np.allclose(found.vectors[2], Encoder(model).encode(["lamp"]).vectors[0], atol=1e-5)


def test_memory_that_runs_out_halves_the_batch(model: TextModel, monkeypatch: pytest.MonkeyPatch) -> None:
    forward, sizes = TextModel.forward, list[int]()

    def small(self: TextModel, ids: Any, mask: Any) -> Any:
        sizes.append(len(ids))
        if len(ids) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return forward(self, ids, mask)

    monkeypatch.setattr(TextModel, "forward", small)
    encoder = Encoder(model, batch_tokens=4_096)
    found = encoder.encode(TEXTS * 2)
    assert found.failed == {}
    assert encoder.batch_tokens < 4_096
    assert max(sizes) == 12
    assert np.allclose(found.vectors[:6], found.vectors[6:], atol=1e-5)


def test_a_text_that_the_model_cannot_take_is_told(model: TextModel, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = TextModel.forward

    def picky(self: TextModel, ids: Any, mask: Any) -> Any:
        if (ids == int(self.tokenizer.convert_tokens_to_ids("poison"))).any():
            raise RuntimeError("device-side assert")
        return forward(self, ids, mask)

    monkeypatch.setattr(TextModel, "forward", picky)
    found = Encoder(model).encode(["coat", "poison", "lamp", "jacket"])
    assert list(found.failed) == [1]
    assert [bool(vector.any()) for vector in found.vectors] == [True, False, True, True]


def write(folder: Path, name: str, content: object) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def test_pooling_is_read_from_the_models_files(tmp_path: Path) -> None:
    assert read_recipe(tmp_path) == Recipe("mean", True, 8_192)
    write(tmp_path, "config.json", {"max_position_embeddings": 512})
    write(tmp_path, "1_Pooling/config.json", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False})
    write(tmp_path, "modules.json", [{"type": "x.Transformer", "path": ""}, {"type": "x.Pooling", "path": "1_Pooling"}])
    assert read_recipe(tmp_path) == Recipe("cls", False, 512)
    write(tmp_path, "1_Pooling/config.json", {"pooling_mode_max_tokens": True})
    with pytest.raises(BadSettings, match="expected mean or CLS pooling"):
        read_recipe(tmp_path)
    write(tmp_path, "modules.json", [{"type": "x.Dense", "path": "2_Dense"}])
    with pytest.raises(BadSettings, match="Dense"):
        read_recipe(tmp_path)


def test_the_fingerprint_changes_with_all_that_shapes_a_vector(tmp_path: Path) -> None:
    found = [fingerprint(tmp_path)]
    tokenizer = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt", "spiece.model")
    for name in ("model.safetensors", "config.json", "1_Pooling/config.json", "2_Pooling/config.json", *tokenizer):
        for content in (1, 2):
            write(tmp_path, name, content)
            found.append(fingerprint(tmp_path))
    assert len(set(found)) == len(found)
    write(tmp_path, "README.md", "of the model")
    assert fingerprint(tmp_path) == found[-1]


def test_a_folder_without_a_model_is_an_error_of_the_settings(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"encoder\.model"):
        load(str(tmp_path))


class Program:
    """What a pickle may hold: it runs when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_weights_that_may_hold_a_program_are_never_loaded(tmp_path: Path) -> None:
    folder, trace = tmp_path / "model", tmp_path / "it ran"
    shutil.copytree(folder_of(""), folder)
    before = fingerprint(folder)
    with (folder / "pytorch_model.bin").open("wb") as weights:
        pickle.dump(Program(trace), weights)
    assert fingerprint(folder) == before
    load(str(folder), device="cpu")
    for path in folder.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(BadSettings, match=r"as \*\.safetensors .* got pytorch_model\.bin, which may hold"):
        load(str(folder), device="cpu")
    assert not trace.exists()


def test_code_of_a_model_is_never_run(tmp_path: Path) -> None:
    folder, trace = tmp_path / "model", tmp_path / "it ran"
    shutil.copytree(folder_of(""), folder)
    config = json.loads((folder / "config.json").read_text())
    own = {"model_type": "of-its-own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config | own))
    (folder / "own.py").write_text(f"open({str(trace)!r}, 'w')")
    with pytest.raises(BadSettings, match=r"encoder\.model: "):
        load(str(folder), device="cpu")
    assert not trace.exists()


def test_bfloat16_is_as_good_as_float32(model: TextModel) -> None:
    half = load(device="cpu", dtype="bfloat16")
    assert half.revision == model.revision
    texts = [*TEXTS, *(" ".join(TEXTS[:3] * count) for count in range(1, 12))]
    exact, found = Encoder(model).encode(texts), Encoder(half).encode(texts)
    assert (exact.vectors * found.vectors).sum(axis=1).min() > 0.9995


@pytest.mark.parametrize(("has", "chosen"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_cpu_that_multiplies_bfloat16_is_given_it(has: bool, chosen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": has})
    assert load(device="cpu").dtype is chosen


def test_int8_is_near_float32_and_has_a_revision_of_its_own(model: TextModel) -> None:
    small = load(device="cpu", dtype="int8")
    assert small.name == model.name
    assert small.revision == f"{model.revision}-int8"
    texts = [*TEXTS[:5], *(" ".join(TEXTS[:3] * count) for count in range(1, 8))]
    exact, found = Encoder(model).encode(texts), Encoder(small).encode(texts)
    assert found.failed == {}
    cosines = (exact.vectors * found.vectors).sum(axis=1)
    assert cosines.min() > 0.985
    assert cosines.max() < 0.9999, "these are not whole numbers"


def test_in_int8_a_vector_does_not_depend_on_the_texts_beside_it() -> None:
    small = load(device="cpu", dtype="int8")
    together, alone = Encoder(small).encode(TEXTS[:4]).vectors, [Encoder(small).encode([text]) for text in TEXTS[:4]]
    assert min(float(one @ two.vectors[0]) for one, two in zip(together, alone, strict=True)) > 0.9999


def test_int8_is_for_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(BadSettings, match="int8"):
        load(device="cuda", dtype="int8")
