"""From the log to pairs of items that belong together, and from these to a tuned text model."""

from __future__ import annotations

import importlib.util
import itertools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from policy.assignment import unit_hash
from reshelf.evaluation import decision_log
from reshelf.evaluation.records.store import record
from reshelf.namespaces.open_state import namespace_settings
from reshelf.processes.encoder import MISSING, installed
from reshelf.settings import Settings
from schemas.errors import BadSettings, ReshelfError
from schemas.messages.events import Click, Conversion
from schemas.topics import CATALOG_ITEMS, CLICKS, CONVERSIONS
from streams.catalog.snapshot import read_texts

HELD_OUT = 0.1
"""Share of units whose pairs are not learned from."""
LEAST_PAIRS = 50


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for: where the model goes, and how it is trained on at most so many pairs."""

    folder: Path
    epochs: int
    batch: int
    rate: float
    rank: int
    pairs: int
    seed: int


class Paired(NamedTuple):
    """Pairs of items to learn from, and those of other units to judge by."""

    learned: list[tuple[str, str]]
    held: list[tuple[str, str]]


def paired(events: Iterable[Click | Conversion]) -> Paired:
    """Items that a unit clicked one after the other; a pair with an item that the unit bought counts twice."""
    clicks: dict[str, list[tuple[int, str]]] = {}
    bought: set[tuple[str, str]] = set()
    for event in events:
        if isinstance(event, Click):
            clicks.setdefault(event.unit, []).append((event.occurred_at, event.item))
        else:
            bought.add((event.unit, event.item))
    pairs = Paired([], [])
    for unit, those in sorted(clicks.items()):
        items = [item for _, item in sorted(those)]
        into = pairs.held if unit_hash(unit, "finetune") < HELD_OUT else pairs.learned
        for pair in itertools.pairwise(items):
            if pair[0] != pair[1]:
                into += [pair] * (1 + any((unit, item) in bought for item in pair))
    return pairs


def finetuned(settings: Settings, options: Options, say: Callable[[str], None]) -> dict[str, Any]:
    """Tune the model of the settings on the log's clicks, save it where it got better, and keep a record.

    Raises `BadSettings` without the extra `encoders` and peft, `ReshelfError` with too few clicks.
    """
    if not installed():
        raise BadSettings(MISSING)
    if importlib.util.find_spec("peft") is None:
        raise BadSettings("peft is not installed. Install the extra: pip install 'reshelf[encoders]'.")
    from encoders.model import folder_of, load
    from encoders.text import text_of
    from encoders.tuning import Plan, save, tune

    began, settings = time.monotonic(), namespace_settings(settings)
    items = {name: text_of(item) for name, item in sorted(read_texts(settings.kafka, [CATALOG_ITEMS]).texts.items())}
    events = [
        entry.event
        for _, accepted in decision_log.accepted(settings.kafka, settings.fold, (CLICKS, CONVERSIONS))
        for entry in accepted
    ]
    learned, held = (_texts(pairs, items, options) for pairs in paired(events))
    if min(len(learned), len(held) * 5) < LEAST_PAIRS:
        raise ReshelfError(
            f"expected at least {LEAST_PAIRS} pairs of items that visitors clicked one after the other, and a fifth of "
            f"that held out, got {len(learned)} and {len(held)}. Let more visitors click first."
        )
    model = load(settings.encoder.model, settings.encoder.device, "float32")
    plan = Plan(options.epochs, options.batch, options.rate, options.rank, seed=options.seed)
    tuned, report = tune(model, learned, held, list(dict.fromkeys(items.values())), plan, say)
    content: dict[str, Any] = {
        "pairs": len(learned),
        "held_out": len(held),
        **asdict(report),
        "saved": "",
        "revision": "",
    }
    if report.kept_epoch:
        save(tuned, folder_of(settings.encoder.model), options.folder)
        content |= {"saved": str(options.folder), "revision": load(str(options.folder), "cpu").revision}
    parameters = asdict(options) | {"folder": str(options.folder), "model": model.name, "revision": model.revision}
    record("finetune", settings, parameters, {"events": len(events)}, content, time.monotonic() - began)
    return content


def _texts(pairs: list[tuple[str, str]], items: Mapping[str, str], options: Options) -> list[tuple[str, str]]:
    """The pairs' texts, at most as many as asked for, by chance; items that the catalog does not know are left out."""
    texts = [(items[first], items[other]) for first, other in pairs if first in items and other in items]
    distinct = [pair for pair in texts if pair[0] != pair[1]]
    chosen = np.random.default_rng(options.seed).permutation(len(distinct))[: options.pairs]
    return [distinct[row] for row in chosen.tolist()]
