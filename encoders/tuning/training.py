"""Pairs of items that belong together, and a contrastive loss.

Two items that one visitor clicked, or clicked and bought, are a pair; of the other
items in a batch none belongs to it (InfoNCE; van den Oord, Li and Vinyals 2018,
"Representation learning with contrastive predictive coding", equation 4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from encoders.tuning.adapters import adapter_weights, merge_adapters
from encoders.wire import Vectors

TEMPERATURE = 0.05
NEAR = 10

Pairs = Sequence[tuple[str, str]]


class Student(Protocol):
    """A model that learns from items, each under a key."""

    @property
    def network(self) -> Any:
        """What learns."""
        ...

    def add_adapters(self, rank: int) -> list[torch.nn.Parameter]:
        """Give the network adapters, whose parameters alone learn; raises `BadSettings` where it can have none."""
        ...

    def vectors(self, keys: Sequence[str], rng: np.random.Generator) -> torch.Tensor:
        """Vectors with their gradients, float32[N, D], of items as they are learned from."""
        ...

    def encoded(self, keys: Sequence[str]) -> Vectors:
        """Vectors float32[N, D] of items as they are served."""
        ...

    def save(self, origin: Path, folder: Path) -> None:
        """Write the model to `folder`, with all that its `origin` says of how it is used."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train; it ends early when held-out pairs are found no better for `retry` epochs."""

    epochs: int = 5
    batch: int = 32
    rate: float = 2e-4
    rank: int = 8
    retry: int = 2
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Tuned:
    """Shares of held-out pairs whose other item is among the `NEAR` nearest: before, and after each epoch."""

    before: float
    epochs: list[float]
    losses: list[float]
    kept_epoch: int


def tune(
    student: Student, pairs: Pairs, held: Pairs, catalog: Sequence[str], plan: Plan, say: Callable[[str], None]
) -> Tuned:
    """Tune a model in place on pairs of items, judged by `held` pairs among all of `catalog`.

    The weights are those after the best epoch; where none is better than before, they
    are as they were (`kept_epoch` 0).
    """
    torch.manual_seed(plan.seed)
    rng, network = np.random.default_rng(plan.seed), student.network
    before = found_near(student, held, catalog)
    learner = torch.optim.AdamW(student.add_adapters(plan.rank), lr=plan.rate)
    best, best_epoch, shares, losses = before, 0, list[float](), list[float]()
    weights = adapter_weights(network)
    for epoch in range(1, plan.epochs + 1):
        losses.append(_epoch(student, pairs, learner, plan, rng))
        shares.append(found_near(student, held, catalog))
        say(f"epoch {epoch}: loss {losses[-1]:.3f}, {shares[-1]:.1%} of held-out pairs found, {before:.1%} before")
        if shares[-1] > best:
            best, best_epoch, weights = shares[-1], epoch, adapter_weights(network)
        elif epoch - best_epoch >= plan.retry:
            break
    merge_adapters(network, weights)
    return Tuned(before, shares, losses, best_epoch)


def found_near(student: Student, held: Pairs, catalog: Sequence[str], near: int = NEAR) -> float:
    """The share of pairs whose second item is among the `near` of `catalog` nearest to the first."""
    place = {key: row for row, key in enumerate(catalog)}
    student.network.eval()
    vectors = student.encoded(catalog)
    ones, others = (np.array([place[pair[side]] for pair in held], dtype=np.intp) for side in (0, 1))
    scores = vectors[ones] @ vectors.T
    scores[np.arange(len(held)), ones] = -np.inf
    better = (scores > scores[np.arange(len(held)), others][:, None]).sum(axis=1)
    return float((better < near).mean())


def _epoch(student: Student, pairs: Pairs, learner: Any, plan: Plan, rng: np.random.Generator) -> float:
    """One pass over the pairs in random order; the mean loss."""
    student.network.train()
    order, losses = rng.permutation(len(pairs)), []
    for start in range(0, len(order), plan.batch):
        some = [pairs[row] for row in order[start : start + plan.batch]]
        loss = _loss(student, some, rng)
        learner.zero_grad()
        loss.backward()
        learner.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses))


def _loss(student: Student, pairs: Pairs, rng: np.random.Generator) -> torch.Tensor:
    """InfoNCE both ways; an item that is in the batch twice is not held against itself."""
    firsts, others = ([pair[side] for pair in pairs] for side in (0, 1))
    left, right = (torch.nn.functional.normalize(student.vectors(keys, rng), dim=1) for keys in (firsts, others))
    scores = left @ right.T / TEMPERATURE
    same = torch.tensor([[key in pair for key in others] for pair in pairs], device=scores.device)
    scores = scores.masked_fill(same & ~torch.eye(len(pairs), dtype=torch.bool, device=scores.device), -1e9)
    target = torch.arange(len(pairs), device=scores.device)
    cross = torch.nn.functional.cross_entropy
    return (cross(scores, target) + cross(scores.T, target)) / 2
