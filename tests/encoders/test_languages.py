"""Texts of any language: as they are composed, cut and encoded, by the default model and by a multilingual one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encoders.text import text_of
from schemas.messages.catalog import CatalogItem
from tests.encoders.conftest import NO_TORCH
from tests.encoders.small_models import LONGEST, save_multilingual

torch = pytest.importorskip("torch", reason=NO_TORCH)

from encoders.encoder import Encoder  # noqa: E402
from encoders.model import TextModel, load, token_ids  # noqa: E402

TITLES = {
    "Chinese": "防水儿童夹克配有可拆卸的帽子和反光条",
    "Japanese": "子供用の防水ジャケットは取り外し可能なフード付きです",
    "Arabic": "سترة مقاومة للماء للأطفال مع غطاء رأس قابل للإزالة ",
    "German": "Kinderregenschutzjackenkapuzenbefestigungsdruckknopf",
}
LONG = {language: title * 50 for language, title in TITLES.items()}


@pytest.mark.parametrize("language", LONG)
def test_a_text_of_any_language_loses_its_end_and_nothing_else(language: str, model: TextModel) -> None:
    (cut,) = token_ids(model, [LONG[language]])
    whole = model.tokenizer(LONG[language])["input_ids"]
    assert len(cut) <= model.recipe.longest
    assert cut[:-1] == whole[: len(cut) - 1], "the last token ends the text"
    result = Encoder(model).encode([LONG[language], LONG[language][:20]])
    assert not result.failed and np.isfinite(result.vectors).all()


@pytest.mark.parametrize("language", TITLES)
def test_the_title_stands_first_so_that_a_cut_takes_the_description(language: str, model: TextModel) -> None:
    title = TITLES[language].strip()
    item = CatalogItem("a", title, LONG[language], "衣服", "Größe", tags=["جديد"], attributes={"色": "青"})
    text = text_of(item)
    assert text.split("\n") == [title, "衣服 | Größe | جديد | 色: 青", LONG[language]]
    (cut,), (first,) = token_ids(model, [text]), token_ids(model, [title])
    assert cut[: len(first) - 1] == first[:-1]


def test_a_multilingual_model_is_used_by_its_folder(tmp_path: Path) -> None:
    network = save_multilingual([*LONG.values(), "waterproof jacket for kids"], tmp_path)
    many = load(str(tmp_path), "cpu", "float32")
    assert (many.recipe.longest, many.size) == (LONGEST, network.config.hidden_size)
    texts = [*TITLES.values(), *LONG.values(), "waterproof jacket"]
    ids = many.tokenizer(texts, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
    assert not (ids["input_ids"] == many.tokenizer.unk_token_id).any(), "it has pieces of all four scripts"
    with torch.inference_mode():
        states = network(input_ids=ids["input_ids"], attention_mask=ids["attention_mask"]).last_hidden_state
    weights = ids["attention_mask"].unsqueeze(-1).float()
    expected = torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1)).numpy()
    result = Encoder(many).encode(texts)
    assert np.allclose(result.vectors, expected, atol=1e-5)
    assert result.truncated >= len(LONG)
