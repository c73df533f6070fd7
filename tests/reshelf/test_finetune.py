"""Fine-tuning: pairs from clicks, and a model that finds more of them, served by the encoder."""

from __future__ import annotations

import importlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from reshelf.cli.main import run
from reshelf.evaluation.finetuning import paired
from reshelf.topics.publish import deliver
from schemas.codec import decoder, encode
from schemas.messages.catalog import CatalogEmbedding, CatalogItem
from schemas.messages.events import Click, Conversion
from schemas.topics import CATALOG_EMBEDDINGS, CATALOG_ITEMS, CLICKS
from streams.settings import FoldSettings, KafkaSettings
from tests.encoders.conftest import NO_TORCH
from tests.encoders.small_models import default_tokenizer, save_joint
from tests.streams.namespaces import make_namespace
from tests.streams.test_learner import read_all

NOW = 1_790_000_000_000


def clicked(unit: str, item: str, at: int) -> Click:
    return Click(f"{unit}-{item}-{at}", NOW + at, unit, "home", "all", "top", item, f"{unit}-{at}", 1, 0)


def bought(unit: str, item: str) -> Conversion:
    return Conversion(
        f"{unit}-{item}", NOW, unit, "o", "p", 0, "c", NOW, 0, "home", "all", "top", item, 1, 0, 1, 100, "EUR"
    )


@given(st.lists(st.tuples(st.sampled_from("abcdefghij"), st.sampled_from("xyz")), max_size=40), st.randoms())
def test_pairs_are_of_one_unit_in_the_order_of_time(clicks: list[tuple[str, str]], chance: object) -> None:
    events: list[Click | Conversion] = [clicked(unit, item, at) for at, (unit, item) in enumerate(clicks)]
    found = paired(events)
    chance.shuffle(events)  # type: ignore[attr-defined]
    assert paired(events) == found
    expected = []
    for unit in sorted({unit for unit, _ in clicks}):
        items = [item for other, item in clicks if other == unit]
        expected += [(one, other) for one, other in itertools.pairwise(items) if one != other]
    assert sorted([*found.learned, *found.held]) == sorted(expected)


def test_what_was_bought_counts_twice_and_units_are_held_out_whole() -> None:
    events: list[Click | Conversion] = [bought("u3", "b")]
    for number in range(200):
        events += [clicked(f"u{number}", "a", 1), clicked(f"u{number}", "b", 2), clicked(f"u{number}", "c", 3)]
    found = paired(events)
    assert len(found.learned) + len(found.held) == 402
    assert 0 < len(found.held) < 80
    assert len(found.held) % 2 == 0


ODDITIES = ["hose", "novel", "kettle", "tent", "lamp", "glove", "pillow", "drill", "sofa", "apron", "globe", "towel"]
COLOURS = ["red", "green", "blue", "white"]


def test_a_model_is_tuned_on_clicks_and_served(
    broker: str,
    redis: Redis,
    redis_url: str,
    prefix: str,
    make_topics: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("torch", "peft", "PIL"):
        pytest.importorskip(name, reason=NO_TORCH)
    importlib.import_module("torch").set_num_threads(1)
    make_topics(broker, partitions=1)
    make_namespace(redis_url, prefix, FoldSettings(allowed_lateness_ms=0), partitions=1)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    names = [f"{colour} {noun}" for colour in COLOURS for noun in ODDITIES]
    deliver(
        kafka, CATALOG_ITEMS, [(name.encode(), encode(CatalogItem(name, name, image=f"{name}.jpg"))) for name in names]
    )
    for key, value in (
        ("KAFKA__BOOTSTRAP", broker),
        ("KAFKA__PREFIX", prefix),
        ("RUNS__FOLDER", str(tmp_path / "runs")),
        ("REDIS__URL", redis_url),
    ):
        monkeypatch.setenv(f"RESHELF_{key}", value)
    folder = str(tmp_path / "model")
    assert run(["finetune", folder, "--json"]) == 1
    assert "Let more visitors click" in capsys.readouterr().err
    clicks = [
        (key, encode(clicked(unit, item, step)))
        for number in range(300)
        for unit in [f"u{number}"]
        for key in [unit.encode()]
        for step, item in enumerate((names[number % 48], names[(number + 17) % 48]))
    ]
    deliver(kafka, CLICKS, clicks)
    assert run(["finetune", folder, "--epochs", "4", "--batch", "8", "--rate", "0.003", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert max(told["epochs"]) > told["before"] + 0.1
    assert told["saved"] == folder
    assert {path.suffix for path in Path(folder).rglob("*")} <= {"", ".safetensors", ".json", ".txt", ".jinja"}
    kept = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob("finetune-*.json")]
    assert [one["results"]["revision"] for one in kept] == [told["revision"]]
    learn_from_pictures(names, tmp_path, monkeypatch, capsys)
    monkeypatch.setenv("RESHELF_ENCODER__MODEL", folder)
    assert run(["encoder", "--once", "--json"]) == 0
    found = [one.value for part in read_all(kafka, (CATALOG_EMBEDDINGS.name,)).values() for one in part]
    assert {decoder(CatalogEmbedding)(value or b"").revision for value in found} == {told["revision"]}
    assert len(found) == len(names)


def learn_from_pictures(
    names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bench.encoding.drawing import Look, picture

    looks, joint = tmp_path / "looks", tmp_path / "joint"
    looks.mkdir()
    command = ["finetune", str(tmp_path / "seen"), "--pictures", "--epochs", "1", "--batch", "16", "--json"]
    assert run(command) == 2
    assert "pictures.hosts or pictures.folder" in capsys.readouterr().err
    rng = np.random.default_rng(1)
    for number, name in enumerate(names[1:]):
        (looks / f"{name}.jpg").write_bytes(picture(Look(number % 5, number % 6, number % 4), rng, 48))
    with monkeypatch.context() as here:
        here.setenv("RESHELF_PICTURES__FOLDER", str(looks))
        assert run(command) == 2
        assert "pictures.model: expected a picture encoder of transformers" in capsys.readouterr().err
        save_joint("clip", default_tokenizer(), joint)
        here.setenv("RESHELF_PICTURES__MODEL", str(joint))
        assert run(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["pictures"], told["pictures_refused"]) == (47, 1), "the first item has no file"
    assert 0 < told["pairs"] < 300 and told["losses"][0] > 0.0
    assert run([*command, "--rewrite", "some/model"]) == 2
    assert "--rewrite is for texts" in capsys.readouterr().err
