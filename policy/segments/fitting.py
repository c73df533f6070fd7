"""From the visitors of a sample to a model of segments: started from the last one, so that hardly anybody moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import msgspec
import numpy as np

from policy.arrays import Bools, Floats, Indices, Vectors
from policy.segments.attributes import AttributeFit, attribute_fits, folded, value_ratios
from policy.segments.gain import Gain, gain_of, held_out_logs
from policy.segments.mixture import Mixture, chances, fit_anew, fit_from, maximized
from policy.segments.points import MIN_VOTES, SCALE, by_value, foretelling, points_of, teachers_of, whole
from policy.segments.rule import OTHER, UNASSIGNED
from policy.segments.votes import Votes
from policy.segments.words import telling_items, telling_words
from schemas.messages.segments import LearnedSegment, SegmentModel

MIN_UNITS = 50
"""A segment of fewer units of the sample is not published."""
FEW, FEW_SEGMENTS = 20_000, 4
"""A sample of fewer units has this many segments at most."""
COMPARED_UNITS = 100_000
"""So many units of the sample decide whether the last model goes on: it is fitted to four fifths of them, and the last
fifth is held out."""
LEAST_GAIN = 0.01
"""Segments are not begun where they make an item less than about 1 % likelier, and end at half of that."""
BETTER = 1.1
"""New segments take the place of the last ones where they foretell this many times as much, for certain."""
MARGIN = 8

Points = Mapping[str, Sequence[int]]


MOST_ITEMS = 100_000
"""Items have points up to so many: first those that enough units looked at."""
AT_A_TIME = 4_096


def no_vectors(names: Sequence[str]) -> tuple[Vectors, Bools]:
    """Nothing is known of items."""
    return np.zeros((len(names), 0), dtype=np.float32), np.zeros(len(names), dtype=np.bool_)


@dataclass(frozen=True)
class ItemFacts:
    """What is known of items beside votes: texts by name, and a function to their vectors.

    It gives float32[I, D] and whether each has one, bool[I]; `texts` has all items that may have points.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    vectors: Callable[[Sequence[str]], tuple[Vectors, Bools]] = no_vectors


class Published(NamedTuple):
    """A model, and the points of its items."""

    model: SegmentModel
    points: Points


class _Start(NamedTuple):
    """Where the fit to all units begins: names of its tastes, its generation, and what it foretold."""

    mixture: Mixture
    names: list[str]
    generation: int
    names_given: int
    gain: Gain
    attributes: list[AttributeFit]


def fit_segments(
    votes: Votes,
    facts: ItemFacts,
    before: Published | None,
    most: int,
    now_ms: int,
    rng: np.random.Generator,
) -> Published:
    """The next model: that of `before` as it is by now, or a new generation where this foretells more.

    It has no segments while none foretell anything for certain.  `most` is how many it may have.
    """
    start = _start(votes, before, most if votes.units >= FEW else min(most, FEW_SEGMENTS), rng)
    version = max(now_ms, before.model.version + 1 if before else 0)
    if not start.names:
        return Published(_without_segments(start, version, now_ms, votes.units), {})
    fitted = fit_from(votes, start.mixture)
    large = _large(fitted, votes)
    if len(large) < 2:
        return Published(_without_segments(start, version, now_ms, votes.units), {})
    mixture = _part(fitted, large)
    units = chances(mixture, votes)
    mixture = maximized(votes, units)
    points = _points(mixture, votes, facts)
    model = SegmentModel(
        version=version,
        generation=start.generation,
        published_at=now_ms,
        names=[start.names[at] for at in large],
        starts=whole(mixture.shares).tolist(),
        parts=0,
        margin=MARGIN,
        names_given=start.names_given,
        units=votes.units,
        gain=start.gain.mean,
        attribute_gains={fit.name: fit.gain.mean for fit in start.attributes},
        segments=_described(mixture, votes, facts),
    )
    model = _with_attribute(model, start.attributes, votes, units)
    return _with_moved(Published(model, points), before, votes)


def _start(votes: Votes, before: Published | None, size: int, rng: np.random.Generator) -> _Start:
    """The last model, or segments of a new generation, or none."""
    train, test = (votes.some(units) for units in _split(votes.units, rng))
    last = before.model if before else None
    given, generation = (last.names_given, last.generation) if last else (0, 0)
    fresh = fit_anew(train, size, rng)
    fresh_logs = held_out_logs(fresh, test)
    if before is not None and before.model.names:
        warm = fit_from(train, mixture_of(before, votes))
        warm_logs = held_out_logs(warm, test)
        gain, more = gain_of(warm_logs), gain_of(fresh_logs - warm_logs)
        better = more.is_sure and gain_of(fresh_logs).mean > BETTER * gain.mean
        if gain.mean > LEAST_GAIN / 2.0 and not better:
            attributes = attribute_fits(warm, train, test)
            return _Start(warm, list(before.model.names), generation, given, gain, attributes)
    gain = gain_of(fresh_logs)
    if not gain.is_sure or gain.mean < LEAST_GAIN:
        return _Start(fresh, [], max(1, generation), given, gain, [])
    names = [f"t{number:02d}" for number in range(given + 1, given + size + 1)]
    return _Start(fresh, names, generation + 1, given + size, gain, attribute_fits(fresh, train, test))


def mixture_of(published: Published, votes: Votes) -> Mixture:
    """The mixture that a model was published of, for the items of `votes`: those that it lacks say nothing."""
    model, nothing = published.model, [0] * len(published.model.names)
    rows = [published.points.get(name, nothing) for name in votes.names]
    ratios = np.array(rows, dtype=np.float64).reshape(len(rows), len(model.names)) / SCALE
    return Mixture(np.array(model.starts) / SCALE, ratios, np.zeros_like(ratios))


def _split(units: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Units that are fitted to, and units that are held out."""
    some = rng.permutation(units)[:COMPARED_UNITS]
    held_out = len(some) // 5
    return np.sort(some[held_out:]), np.sort(some[:held_out])


def _large(mixture: Mixture, votes: Votes) -> list[int]:
    """The tastes that are the likeliest of enough units to be published."""
    likeliest = chances(mixture, votes)[np.diff(votes.starts) > 0].argmax(axis=1)
    units = np.bincount(likeliest, minlength=mixture.size)
    return np.flatnonzero(units >= MIN_UNITS).tolist()


def _part(mixture: Mixture, tastes: Sequence[int]) -> Mixture:
    return replace(
        mixture, shares=mixture.shares[tastes], ratios=mixture.ratios[:, tastes], counts=mixture.counts[:, tastes]
    )


def _points(mixture: Mixture, votes: Votes, facts: ItemFacts) -> dict[str, list[int]]:
    """The points of items that enough units looked at, and of all others as their vectors foretell them."""
    looked_at = mixture.counts.sum(axis=1)
    enough = np.flatnonzero(looked_at >= MIN_VOTES)
    own = points_of([votes.names[at] for at in enough], mixture.ratios[enough])
    vectors, has = facts.vectors(votes.names)
    teachers = teachers_of(mixture, has)
    rule = foretelling(vectors[teachers], mixture.ratios[teachers])
    if rule is None:
        return own
    with_votes = {votes.names[at] for at in enough}
    others = [name for name in facts.texts if name not in with_votes][: max(0, MOST_ITEMS - len(own))]
    for begin in range(0, len(others), AT_A_TIME):
        some = others[begin : begin + AT_A_TIME]
        vectors, has = facts.vectors(some)
        own |= points_of([name for name, is_there in zip(some, has, strict=True) if is_there], rule.logs(vectors[has]))
    return own


def _described(mixture: Mixture, votes: Votes, facts: ItemFacts) -> list[LearnedSegment]:
    """What people read, by the tastes that are the likeliest of units."""
    likeliest = chances(mixture, votes)[np.diff(votes.starts) > 0].argmax(axis=1)
    units = np.bincount(likeliest, minlength=mixture.size)
    words = telling_words([facts.texts.get(name, "") for name in votes.names], mixture.counts)
    items = telling_items(votes.names, mixture.counts)
    return [
        LearnedSegment(int(count), float(count / units.sum()), some, telling)
        for count, some, telling in zip(units, words, items, strict=True)
    ]


def _with_attribute(model: SegmentModel, fits: Sequence[AttributeFit], votes: Votes, units: Floats) -> SegmentModel:
    """The model with the attribute that gains most, if that is certain."""
    if not fits or not fits[0].gain.is_sure:
        return model
    values = by_value(value_ratios(folded(votes.values[fits[0].name]), units))
    return msgspec.structs.replace(model, attribute=fits[0].name, values=values)


def _with_moved(after: Published, before: Published | None, votes: Votes) -> Published:
    """The model with the share of units that it moves to another segment than the last one had them in."""
    if before is None or not before.model.names:
        return after
    last = likeliest_names(before, votes)
    now = likeliest_names(after, votes, last)
    moved = float(np.mean([segment != other for segment, other in zip(now, last, strict=True)])) if votes.units else 0.0
    return after._replace(model=msgspec.structs.replace(after.model, moved=moved))


def likeliest_names(published: Published, votes: Votes, current: Sequence[str] = ()) -> list[str]:
    """The segment of each unit by the rule of `policy.segments.rule`, of those who are in `current`."""
    model = published.model
    if not model.names:
        return [UNASSIGNED] * votes.units
    rows = [published.points.get(name) for name in votes.names]
    has_points = np.array([row is not None for row in rows], dtype=np.float32)
    points = np.array([row or [0] * len(model.names) for row in rows], dtype=np.float64).reshape(-1, len(model.names))
    sums = votes.matrix @ points + np.array(model.starts)
    if model.attribute in votes.values:
        other = model.values.get(OTHER) or [0] * len(model.names)
        sums += np.array([model.values.get(value, other) for value in votes.values[model.attribute]])
    if current:
        numbers = {name: at for at, name in enumerate(model.names)}
        held = np.array([numbers.get(name, -1) for name in current])
        sums[held >= 0, held[held >= 0]] += model.margin + 0.5
    assigned = votes.matrix @ has_points > 0
    return [model.names[at] if own else UNASSIGNED for at, own in zip(sums.argmax(axis=1), assigned, strict=True)]


def _without_segments(start: _Start, version: int, now_ms: int, units: int) -> SegmentModel:
    return SegmentModel(
        version,
        start.generation,
        now_ms,
        [],
        [],
        0,
        names_given=start.names_given,
        units=units,
        gain=start.gain.mean,
    )
