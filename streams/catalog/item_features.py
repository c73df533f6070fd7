"""What is known of a page's candidates beside their counts: features, vectors, margins, what was fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from policy.arrays import Codes, Floats
from policy.items import ItemFacts
from policy.model.features import Features, describe
from policy.model.posteriors import Prior
from policy.model.priors import Fitted, fitted
from policy.model.visits.lowering import Lowering, kinds_of, lowering_of
from schemas.messages.parameters import PolicyParameters
from streams.catalog.candidates import CandidateSet


@dataclass(frozen=True, slots=True, eq=False)
class ItemFeatures:
    """Features [A, F] that the parameters name, vectors [A, D] of texts and pictures, margins [A] and categories."""

    parameters: PolicyParameters
    features: Features
    vectors: Floats | None
    pictures: Floats | None
    margins: Floats
    kinds: Codes

    @property
    def lowering(self) -> Lowering | None:
        """What is in force on the page below clicks and below items of the same category."""
        return lowering_of(self.parameters.visits or None, self.kinds)

    def fitted(self, segment: str, candidates: CandidateSet) -> Fitted:
        """What was fitted for each candidate in a segment."""
        return fitted(self.parameters, segment, candidates.items, self.features, self.vectors, self.pictures)


def item_features(
    parameters: PolicyParameters,
    candidates: CandidateSet,
    items: Mapping[str, ItemFacts],
    vectors: Floats | None = None,
    pictures: Floats | None = None,
) -> ItemFeatures:
    """What the catalog says of the candidates, as of the moment the parameters were fitted."""
    described = [items.get(name) for name in candidates.items]
    margins = np.array([1.0 if item is None else item.margin for item in described])
    kinds = kinds_of(["" if item is None else item.category for item in described])
    return ItemFeatures(parameters, features_of(parameters, described), vectors, pictures, margins, kinds)


def features_of(parameters: PolicyParameters, items: Sequence[ItemFacts | None]) -> Features:
    """The features that the parameters name, as of the moment they were fitted."""
    names = dict.fromkeys(parameters.weights)
    for fit in parameters.segments.values():
        names.update(dict.fromkeys(fit.weights))
    features, _ = describe(items, parameters.fitted_at, sorted(names), parameters.scales)
    return features


def base(parameters: PolicyParameters | None, click_rate: float, strength: float) -> Prior:
    """The page's base rate, fitted or from the settings."""
    return Prior(parameters.click_rate, parameters.strength) if parameters else Prior(click_rate, strength)
