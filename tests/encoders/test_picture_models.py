"""Picture models: the default one, and small random ones of transformers, against a plain use of each."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.encoders.conftest import NO_TORCH
from tests.encoders.small_models import LONGEST, PREPROCESSING, save_joint, save_pictured

torch = pytest.importorskip("torch", reason=NO_TORCH)
PIL = pytest.importorskip("PIL", reason=NO_TORCH)

from PIL import Image  # noqa: E402
from transformers import Dinov2Config, Dinov2Model  # noqa: E402

from bench.encoding.drawing import Look, picture  # noqa: E402
from bench.encoding.images import plain  # noqa: E402
from encoders.encoder import Encoder  # noqa: E402
from encoders.model import TextModel, load  # noqa: E402
from encoders.pictures import efficientnet  # noqa: E402
from encoders.pictures.decode import Frame, decoded  # noqa: E402
from encoders.pictures.encoder import PictureEncoder  # noqa: E402
from encoders.pictures.model import load_pictures  # noqa: E402
from encoders.pictures.refusal import Refused  # noqa: E402
from schemas.errors import BadSettings  # noqa: E402


def pictures(count: int) -> list[bytes]:
    rng = np.random.default_rng(2)
    return [picture(Look(number % 5, number % 6, number % 4), rng, 300) for number in range(count)]


def test_every_vector_is_that_of_a_plain_loop_and_looks_are_told_apart() -> None:
    contents, model = pictures(7), load_pictures(device="cpu", dtype="float32")
    result = PictureEncoder(model, batch=3).encode([*contents[:4], b"no picture", *contents[4:], contents[0]])
    assert list(result.failed) == [4] and not result.vectors[4].any()
    vectors = np.delete(result.vectors, 4, axis=0)
    assert (vectors[:7] * plain(model, contents)).sum(axis=1).min() > 0.999
    assert np.allclose(vectors[7], vectors[0], atol=1e-4)
    assert (vectors[:7] @ vectors[:7].T)[np.triu_indices(7, 1)].max() < 0.97


def test_weights_that_are_not_those_of_the_package_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights.pth").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    monkeypatch.setattr(efficientnet, "weights_path", lambda: tmp_path / "weights.pth")
    with pytest.raises(BadSettings, match="SHA-256"):
        load_pictures()


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_model_of_texts_and_pictures_puts_both_into_one_space(kind: str, tmp_path: Path, model: TextModel) -> None:
    network = save_joint(kind, model.tokenizer, tmp_path)
    texts, eyes = load(str(tmp_path), "cpu", "float32"), load_pictures(str(tmp_path), "cpu", "float32")
    assert (texts.name, texts.revision, texts.size) == (eyes.name, eyes.revision, eyes.size)
    assert texts.size == 8
    said = ["a green shirt", "ball", "a shirt with green stripes, dots and checks, and more than is read"]
    expected = torch.nn.functional.normalize(features_of(network, kind, model.tokenizer, said)).numpy()
    assert np.allclose(Encoder(texts).encode(said).vectors, expected, atol=1e-5)
    assert np.allclose(Encoder(texts).encode(said[1:2]).vectors, expected[1:2], atol=1e-5), "whatever is beside it"
    contents = pictures(3)
    assert np.allclose(PictureEncoder(eyes).encode(contents).vectors, plain(eyes, contents), atol=5e-3)


def features_of(network: Any, kind: str, tokenizer: Any, said: list[str]) -> Any:
    """As each model was trained: SigLIP on texts that are filled up to the longest, without a mask."""
    padding = "max_length" if kind == "siglip" else True
    ids = tokenizer(said, padding=padding, max_length=LONGEST, truncation=True, return_tensors="pt")
    wanted = ["input_ids"] if kind == "siglip" else ["input_ids", "attention_mask"]
    with torch.inference_mode():
        features = network.get_text_features(**{name: ids[name] for name in wanted})
    return features if isinstance(features, torch.Tensor) else features.pooler_output


def test_a_model_of_pictures_alone_gives_its_first_token(tmp_path: Path) -> None:
    torch.manual_seed(1)
    dino = Dinov2Model(
        Dinov2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=8)
    )
    save_pictured(dino.eval(), tmp_path)
    eyes, content = load_pictures(str(tmp_path), "cpu", "float32"), pictures(1)[0]
    pixels = (
        torch.from_numpy(np.array(decoded(content, eyes.frame)))
        .float()
        .div(255)
        .sub(torch.tensor(PREPROCESSING["image_mean"]))
    )
    inputs = pixels.div(torch.tensor(PREPROCESSING["image_std"])).permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(dino(pixel_values=inputs).last_hidden_state[:, 0]).numpy()
    assert eyes.size == 16
    assert np.allclose(PictureEncoder(eyes).encode([content]).vectors, expected, atol=1e-4)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(BadSettings, match="image_mean"):
        load_pictures(str(tmp_path), "cpu")


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "LA", "CMYK"])
def test_pictures_of_every_kind_become_pixels_on_white(mode: str) -> None:
    content, kind = io.BytesIO(), "JPEG" if mode == "CMYK" else "PNG"
    Image.new("RGBA", (40, 30), (255, 0, 0, 0)).convert(mode).save(content, kind)
    pixels = decoded(content.getvalue(), Frame(16, 16))
    assert pixels.shape == (16, 16, 3) and pixels.dtype == np.dtype(np.uint8)
    if mode in ("RGBA", "LA"):
        assert (pixels == 255).all(), "what is clear is white"


def test_a_picture_of_too_many_pixels_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("encoders.pictures.decode.MOST_PIXELS", 100)
    with pytest.raises(Refused, match="size"):
        decoded(pictures(1)[0], Frame(16, 16))
