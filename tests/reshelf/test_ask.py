"""Questions to items: exact, told apart by clicks, and asked of a running shop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reshelf.cli.main import run
from reshelf.inspect.posterior_summary import posterior_summary
from reshelf.inspect.search.questions import Question, nearest, ranked
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules
from schemas.topics import CATALOG_ITEMS
from streams.catalog.candidates import CandidateSet
from streams.catalog.page import Page
from streams.fold.deltas import Traffic
from streams.page_settings import LayoutSettings
from streams.state.reader import KeyState
from tests.encoders.conftest import NO_TORCH
from tests.encoders.small_models import default_tokenizer, save_joint
from tests.streams.layout_inputs import table
from tests.streams.layouts_shop import FOLD, ITEMS, Shop, open_shop  # noqa: F401  a fixture


@given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(1, 40))
def test_the_nearest_are_those_with_the_largest_cosine(seed: int, count: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, question = rng.normal(size=(count, 5)).astype(np.float32), rng.normal(size=5).astype(np.float32)
    has = rng.random(count) < 0.7
    vectors[~has] = 0.0
    rows, cosines = nearest(vectors, has, question, most)
    exact = {
        row: float(vectors[row] @ question / np.linalg.norm(vectors[row]) / np.linalg.norm(question))
        for row in np.flatnonzero(has).tolist()
    }
    assert rows.tolist() == sorted(exact, key=lambda row: -exact[row])[:most]
    assert cosines == pytest.approx([exact[row] for row in rows.tolist()], abs=1e-5)


def test_clicks_order_what_means_nearly_the_same_and_no_more_than_they_may() -> None:
    items = ("a", "b", "c")
    counts = table(0, Traffic.LEARNED, items, ("top",))
    counts.impressions[:] = 10_000
    counts.clicks[:, 0] = [100, 300, 900]
    page = Page(PageRules("home", 1, ["top"]), CandidateSet(items), [1])
    found = posterior_summary(page, KeyState((counts,), {}), "*", LayoutSettings())
    similarity = np.array([0.8, 0.75, 0.2])

    def order(clicks: float, count: int = 3) -> list[str]:
        question = Question("?", "home", clicks=clicks, count=count)
        return [items[row] for row, _ in ranked(found, similarity, 0.02, question)]

    assert order(0.0) == ["a", "b", "c"]
    assert order(0.1) == ["b", "a", "c"]
    assert order(9.0) == ["c", "b", "a"]
    assert order(0.1, count=2) == ["b", "a"]


TEXTS = {
    "i0": "Waterproof jacket for kids",
    "i1": "Children's rain coat, waterproof",
    "i2": "Blender with glass jar",
    "i3": "Desk lamp",
    "i4": "Leather belt",
}


def test_a_shop_is_asked(
    broker: str,
    open_shop: Callable[..., Shop],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    for module in ("torch", "PIL"):
        pytest.importorskip(module, reason=NO_TORCH)
    from bench.encoding.drawing import Look, picture
    from reshelf.processes.encoder import picture_encoder, text_encoder
    from reshelf.settings import load_settings

    rng = np.random.default_rng(1)
    looks = {"i1": Look(0, 0, 0), "i3": Look(4, 2, 1), "asked": Look(4, 2, 1)}
    for name, look in looks.items():
        (tmp_path / f"{name}.jpg").write_bytes(picture(look, rng))
    (tmp_path / "i4.jpg").write_bytes((tmp_path / "i3.jpg").read_bytes())
    monkeypatch.setenv("RESHELF_PICTURES__FOLDER", str(tmp_path))
    shop = open_shop(broker)
    for name, title in TEXTS.items():
        shop.put(CATALOG_ITEMS, name.encode(), CatalogItem(name, title, category="shoes", image=f"{name}.jpg"))
    shop.put(CATALOG_ITEMS, b"i5", CatalogItem("i5", "Waterproof jacket for kids", available=False))

    async def count() -> None:
        await shop.open_namespace()
        await shop.count("new", Traffic.LEARNED, 2_000, dict.fromkeys(ITEMS, 20) | {"i1": 400})

    asyncio.run(count())
    shop.in_environment(monkeypatch)
    question = ["ask", "waterproof jacket for kids", "--page", "home"]
    assert run(question) == 1
    assert "Run `reshelf encoder`" in capsys.readouterr().err
    assert run(["encoder", "--once", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["encoded"], done["pictures"], done["pictures_refused"]) == (6, 3, 2), "i0 and i2 have no file"

    def asked(*more: str) -> list[str]:
        assert run([*question, "--json", *more]) == 0
        return [one["item"] for one in json.loads(capsys.readouterr().out)["items"]]

    by_meaning = asked("--segment", "new", "--clicks", "0", "--count", "4")
    assert (by_meaning[:2], len(by_meaning)) == (["i0", "i1"], 4)
    by_clicks = asked("--segment", "new")
    assert (by_clicks[:2], sorted(by_clicks)) == (["i1", "i0"], list(TEXTS))
    assert run(["ask", "--image", str(tmp_path / "asked.jpg"), "--page", "home", "--clicks", "0", "--json"]) == 0
    assert [one["item"] for one in json.loads(capsys.readouterr().out)["items"]] == ["i3", "i4", "i1"]
    assert run(["likeness", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(group["items"], group["similarity"]) for group in found["groups"]] == [(["i3", "i4"], 1.0)]
    assert (found["items"], found["pictures"]) == (5, 3)
    assert run(question) == 0
    assert "Children's" in capsys.readouterr().out
    assert run(["ask", "shoes", "--page", "nowhere"]) == 1
    assert "declared are: home" in capsys.readouterr().err
    assert run(["ask", " ", "--page", "home"]) == 2
    assert "expected some words" in capsys.readouterr().err
    assert run(["ask", "green shirt", "--look", "--page", "home"]) == 2
    assert "Set encoder.model and pictures.model to one model" in capsys.readouterr().err
    save_joint("clip", default_tokenizer(), tmp_path / "joint")
    for setting in ("ENCODER__MODEL", "PICTURES__MODEL"):
        monkeypatch.setenv(f"RESHELF_{setting}", str(tmp_path / "joint"))
    assert run(["encoder", "--once", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 3
    assert run(["ask", "green shirt", "--look", "--page", "home", "--clicks", "0", "--json"]) == 0
    answered = json.loads(capsys.readouterr().out)["items"]
    settings = load_settings().settings
    seen = picture_encoder(settings).encode([(tmp_path / f"i{number}.jpg").read_bytes() for number in (1, 3)]).vectors
    cosines = seen @ text_encoder(settings.encoder).encode(["green shirt"]).vectors[0]
    of = {one["item"]: one["similarity"] for one in answered}
    assert sorted(of) == ["i1", "i3", "i4"] and of["i3"] == of["i4"]
    assert [of["i1"], of["i3"]] == pytest.approx(cosines.tolist(), abs=0.02), "published vectors have 8 bits"
    assert [one["similarity"] for one in answered] == sorted(of.values(), reverse=True)
