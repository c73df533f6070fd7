"""From the log to pairs of items that belong together, and from these to a tuned model of texts or of pictures."""

from __future__ import annotations

import importlib.util
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from policy.assignment import unit_hash
from reshelf.evaluation import decision_log
from reshelf.evaluation.records.store import record
from reshelf.namespaces.open_state import namespace_settings
from reshelf.processes.encoder import MISSING, installed, picture_source
from reshelf.settings import Settings
from schemas.errors import BadSettings, ReshelfError
from schemas.messages.catalog import CatalogItem
from schemas.messages.events import Click, Conversion
from schemas.topics import CATALOG_ITEMS, CLICKS, CONVERSIONS
from streams.catalog.snapshot import read_texts

if TYPE_CHECKING:
    from encoders.pictures.decode import Frame
    from encoders.pictures.source import Picture, PictureSource

HELD_OUT = 0.1
"""Share of units whose pairs are not learned from."""
LEAST_PAIRS = 50
REWRITINGS = 2
"""How often each text is put in other words."""
NO_PICTURES = "--pictures: expected pictures.hosts or pictures.folder to say where pictures may come from, got neither."


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for: where the model goes, and how it is trained on at most so many pairs.

    With `pictures` it is the picture model that is tuned.  `rewrite` names the models that put texts in other words.
    """

    folder: Path
    epochs: int
    batch: int
    rate: float
    rank: int
    pairs: int
    seed: int
    pictures: bool = False
    rewrite: tuple[str, ...] = ()


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
    """Tune a model of the settings on the log's clicks, save it where it got better, and keep a record.

    Raises `BadSettings` without the extra `encoders` and peft, or for a model that cannot be tuned, `ReshelfError` with
    too few clicks.
    """
    if not installed():
        raise BadSettings(MISSING)
    if importlib.util.find_spec("peft") is None:
        raise BadSettings("peft is not installed. Install the extra: pip install 'reshelf[encoders]'.")
    from encoders.model import fingerprint, folder_of
    from encoders.tuning.training import Plan, tune

    began, settings = time.monotonic(), namespace_settings(settings)
    items = read_texts(settings.kafka, [CATALOG_ITEMS]).texts
    events = [
        entry.event
        for _, accepted in decision_log.accepted(settings.kafka, settings.fold, (CLICKS, CONVERSIONS))
        for entry in accepted
    ]
    lesson = (_of_pictures if options.pictures else _of_texts)(settings, paired(events), items, options, say)
    plan = Plan(options.epochs, options.batch, options.rate, options.rank, seed=options.seed)
    report = tune(lesson.student, lesson.learned, lesson.held, lesson.catalog, plan, say)
    content: dict[str, Any] = {
        "pairs": len(lesson.learned),
        "held_out": len(lesson.held),
        **lesson.counts,
        **asdict(report),
        "saved": "",
        "revision": "",
    }
    if report.kept_epoch:
        lesson.student.save(folder_of(lesson.model), options.folder)
        content |= {"saved": str(options.folder), "revision": fingerprint(options.folder)}
    of = lesson.student.model
    parameters = asdict(options) | {"folder": str(options.folder), "model": of.name, "revision": of.revision}
    record("finetune", settings, parameters, {"events": len(events)}, content, time.monotonic() - began)
    return content


@dataclass(frozen=True, slots=True)
class _Lesson:
    """A model that learns, pairs of keys to learn from and to judge by among all keys, and counts to report."""

    student: Any
    model: str
    learned: list[tuple[str, str]]
    held: list[tuple[str, str]]
    catalog: list[str]
    counts: dict[str, int]


def _of_texts(
    settings: Settings, pairs: Paired, items: Mapping[str, CatalogItem], options: Options, say: Callable[[str], None]
) -> _Lesson:
    """Texts under themselves; in other words too, where a model for these was named."""
    from encoders.model import load
    from encoders.text import text_of
    from encoders.tuning.rewriting import load_rewriter, rewritten
    from encoders.tuning.texts import TextStudent

    texts = {name: text_of(item) for name, item in sorted(items.items())}
    learned, held = _enough(pairs, texts, options)
    own, others = settings.encoder, dict[str, list[str]]()
    if options.rewrite:
        say("texts are put in other words")
        steps = [load_rewriter(name, own.device).rewrite for name in options.rewrite]
        others = rewritten(sorted({text for pair in learned for text in pair}), steps, REWRITINGS, options.seed)
    student = TextStudent(load(own.model, own.device, "float32"), others)
    counts = {"rewritten": len(others)} if options.rewrite else {}
    return _Lesson(student, own.model, learned, held, list(dict.fromkeys(texts.values())), counts)


def _of_pictures(
    settings: Settings, pairs: Paired, items: Mapping[str, CatalogItem], options: Options, say: Callable[[str], None]
) -> _Lesson:
    """Pictures under the hashes of their contents: those of items in pairs that can be had."""
    from encoders.pictures.cache import PictureCache
    from encoders.pictures.model import load_pictures
    from encoders.tuning.pictures import PictureStudent

    own = settings.pictures
    if not own.wanted:
        raise BadSettings(NO_PICTURES)
    model = load_pictures(own.model, settings.encoder.device, "float32")
    PictureStudent(model, {})
    say("pictures are fetched")
    source = picture_source(own, PictureCache(Path(own.cache) if own.cache else None, own.cache_bytes))
    named = sorted({name for both in pairs for pair in both for name in pair if name in items and items[name].image})
    contents, keys = dict[str, bytes](), dict[str, str]()
    for name, content in pictures_of(source, {name: items[name].image for name in named}, model.frame):
        keys[name] = content.content_hash
        contents[content.content_hash] = content.content
    learned, held = _enough(pairs, keys, options)
    counts = {"pictures": len(contents), "pictures_refused": len(named) - len(keys)}
    return _Lesson(PictureStudent(model, contents), own.model, learned, held, sorted(contents), counts)


def pictures_of(source: PictureSource, images: Mapping[str, str], frame: Frame) -> Iterator[tuple[str, Picture]]:
    """Pictures by item, of items whose picture can be had and decoded."""
    from encoders.pictures.decode import decoded
    from encoders.pictures.refusal import Refused

    for name, image in images.items():
        try:
            picture = source.get(image)
            decoded(picture.content, frame)
        except Refused:
            continue
        yield name, picture


def _enough(pairs: Paired, keys: Mapping[str, str], options: Options) -> Paired:
    """Pairs of keys to learn from and to judge by; raises `ReshelfError` where there are too few."""
    learned, held = (_keyed(those, keys, options) for those in pairs)
    if min(len(learned), len(held) * 5) < LEAST_PAIRS:
        raise ReshelfError(
            f"expected at least {LEAST_PAIRS} pairs of items that visitors clicked one after the other, and a fifth of "
            f"that held out, got {len(learned)} and {len(held)}. Let more visitors click first."
        )
    return Paired(learned, held)


def _keyed(pairs: list[tuple[str, str]], keys: Mapping[str, str], options: Options) -> list[tuple[str, str]]:
    """The pairs' keys, at most as many as asked for, by chance; items that have none are left out."""
    both = [(keys[first], keys[other]) for first, other in pairs if first in keys and other in keys]
    distinct = [pair for pair in both if pair[0] != pair[1]]
    chosen = np.random.default_rng(options.seed).permutation(len(distinct))[: options.pairs]
    return [distinct[row] for row in chosen.tolist()]
