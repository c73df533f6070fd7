"""Questions to items: which are nearest by meaning or look, and of these, what a segment clicks.

Every vector is looked at: one product of the matrix with the question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from policy.arrays import Floats, Vectors
from policy.rules.matching import available
from reshelf.inspect.explain import declared, state_of
from reshelf.inspect.posterior_summary import PosteriorSummary, posterior_summary
from reshelf.numbers import money, number, share
from reshelf.processes.encoder import picture_encoder, text_encoder
from reshelf.settings import Settings
from reshelf.terminal.tables import table
from schemas.errors import BadSettings, ReshelfError
from streams.catalog.candidates import CandidateSet
from streams.catalog.embeddings import Generation
from streams.catalog.snapshot import TextCatalog, read_texts

NEAREST = 100
"""So many items nearest by meaning are ranked by what is clicked."""


@dataclass(frozen=True, slots=True)
class Question:
    """A text, where it is asked, and how much of similarity a click rate e times the page's counts for.

    With an `image`, the bytes of a picture, items are compared by their pictures: with it, or with the text where one
    model makes vectors of both (`look`).
    """

    text: str
    page: str
    segment: str = "*"
    count: int = 10
    clicks: float = 0.1
    image: bytes = b""
    look: bool = False


class Answer(NamedTuple):
    """An item: cosine to the question, click rate in the segment with its 95 % interval, what orders it."""

    item: str
    title: str
    category: str
    price: int
    currency: str
    similarity: float
    click_rate: float
    low: float
    high: float
    clicks: float
    score: float


def nearest(
    vectors: Vectors, has: NDArray[np.bool_], question: Vectors, most: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Rows of the vectors [A, D] with the largest cosine to `question` [D], largest first, and their cosines.

    Exact; rows that have no vector are left out.
    """
    lengths = np.sqrt(np.einsum("ad,ad->a", vectors, vectors)) * np.linalg.norm(question)
    cosines = np.divide(vectors @ question, lengths, out=np.full(len(vectors), -np.inf, np.float32), where=has)
    most = min(most, int(has.sum()))
    best = np.argpartition(-cosines, most - 1)[:most] if most else np.arange(0)
    best = best[np.lexsort((best, -cosines[best]))]
    return best, cosines[best]


def ranked(
    summary: PosteriorSummary, similarity: Floats, default: float, question: Question
) -> list[tuple[int, float]]:
    """Rows of `found` with their score: similarity plus what the segment's clicks add; the best `count`."""
    scores = similarity + question.clicks * np.log(summary.mean / default)
    return [(row, float(scores[row])) for row in np.argsort(-scores, kind="stable")[: question.count].tolist()]


def answers(settings: Settings, question: Question, now_ms: int) -> list[Answer]:
    """The items that answer a question best; raises `ReshelfError` without a page or vectors."""
    state = asyncio.run(state_of(settings, question.page, question.segment))
    catalog = read_texts(settings.kafka)
    rules, by_look = declared(catalog, question.page), bool(question.image or question.look)
    vectors = catalog.pictures if by_look else catalog.embeddings
    generation = vectors.generation
    if generation is None:
        needed = " of its picture, which needs pictures.hosts or pictures.folder" if by_look else ""
        raise ReshelfError(
            f"no item has a vector yet{needed}. Run `reshelf encoder`, or `reshelf encoder --once`, first."
        )
    vector = _seen(settings, question.image, generation) if question.image else _encoded(settings, question, generation)
    names = [name for name, item in sorted(catalog.items.items()) if available(item, now_ms)]
    rows, cosines = nearest(*vectors.matrix(names, generation), vector, NEAREST)
    cosine_of = {names[row]: float(cosine) for row, cosine in zip(rows.tolist(), cosines.tolist(), strict=True)}
    candidates = CandidateSet(tuple(sorted(cosine_of)))
    parameters = catalog.parameters.get(rules.page)
    item_features = catalog.features_of(parameters, candidates) if parameters else None
    page = replace(catalog.page(rules.page), candidates=candidates, item_features=item_features)
    summary = posterior_summary(page, state, question.segment, settings.layouts)
    default = parameters.click_rate if parameters else settings.layouts.click_rate
    similarity = np.array([cosine_of[name] for name in summary.items])
    return [
        _answer(catalog, summary, row, cosine_of, score)
        for row, score in ranked(summary, similarity, default, question)
    ]


def listing(items: Sequence[Answer]) -> Table:
    """Answers, the best first, one a line."""
    head = ("item", "price", "similarity", "click rate", "95%", "score", "title", "category")
    rows = []
    for answer in items:
        figures = (
            share(answer.click_rate, 2),
            f"{share(answer.low, 2)} - {share(answer.high, 2)}",
            number(answer.score, 2),
        )
        rows.append(
            (
                answer.item,
                money(answer.price, answer.currency),
                number(answer.similarity, 2),
                *figures,
                answer.title,
                answer.category,
            )
        )
    return table(head, rows, spare=2)


def _seen(settings: Settings, image: bytes, generation: Generation) -> Vectors:
    """The vector of a picture."""
    encoder = picture_encoder(settings)
    _require_model("pictures.model", generation, encoder.model.name, encoder.model.revision)
    encoding = encoder.encode([image])
    if encoding.failed:
        raise ReshelfError(f"the picture cannot be encoded: {encoding.failed[0].detail}")
    vector: Vectors = encoding.vectors[0]
    return vector


def _require_model(setting: str, generation: Generation, name: str, revision: str) -> None:
    if (name, revision) != (generation.model, generation.revision):
        raise BadSettings(
            f"{setting}: expected the model of most vectors, {generation.name}, got {name}@{revision}. "
            f"Set {setting} to it, or let `reshelf encoder` renew the vectors first."
        )


def _require_joint_model(generation: Generation, name: str, revision: str) -> None:
    """Numbers of 8 bits in its text side leave a model in the space of its pictures."""
    from encoders.model import INT8

    if (name, revision.removesuffix(f"-{INT8}")) != (generation.model, generation.revision):
        raise BadSettings(
            f"--look: expected the model of texts to be that of pictures, {generation.name}, got {name}@{revision}. "
            "Set encoder.model and pictures.model to one model of texts and pictures, such as CLIP or SigLIP, and let "
            "`reshelf encoder` renew the vectors first."
        )


def _encoded(settings: Settings, question: Question, generation: Generation) -> Vectors:
    """The vector of a text, in whatever language the model knows."""
    encoder = text_encoder(settings.encoder)
    if question.look:
        _require_joint_model(generation, encoder.model.name, encoder.model.revision)
    else:
        _require_model("encoder.model", generation, encoder.model.name, encoder.model.revision)
    encoding = encoder.encode([question.text])
    if encoding.failed:
        raise ReshelfError(f"the question cannot be encoded: {encoding.failed[0]}")
    vector: Vectors = encoding.vectors[0]
    return vector


def _answer(
    catalog: TextCatalog, summary: PosteriorSummary, row: int, cosine_of: dict[str, float], score: float
) -> Answer:
    item = catalog.texts[summary.items[row]]
    mean, low, high = (round(float(column[row]), 6) for column in (summary.mean, summary.low, summary.high))
    similarity, clicks = round(cosine_of[item.item], 4), float(summary.clicks[row])
    return Answer(
        item.item,
        item.title,
        item.category,
        item.price,
        item.currency,
        similarity,
        mean,
        low,
        high,
        clicks,
        round(score, 4),
    )
