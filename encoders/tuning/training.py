"""A text encoder tuned on a shop's own clicks: low-rank adapters and a contrastive loss.

Two items that one visitor clicked, or clicked and bought, are a pair; of the other
items in a batch none belongs to it (InfoNCE; van den Oord, Li and Vinyals 2018,
"Representation learning with contrastive predictive coding", equation 4).  Only
adapters of the attention's queries and values learn (LoRA; Hu et al. 2021); they are
merged into the weights at the end, so that the result is a model like any other.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model

from encoders.encoder import Encoder
from encoders.model import TextModel, padded, token_ids

BESIDE = ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json")
TEMPERATURE = 0.05
DROPPED = 0.15
"""Share of words that are left out of a text while training: the same item must be found by less."""
NEAR = 10

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train; it ends early when held-out pairs are found no better for `retry` epochs."""

    epochs: int = 5
    batch: int = 32
    rate: float = 2e-4
    rank: int = 8
    retry: int = 2
    longest: int = 128
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Tuned:
    """Shares of held-out pairs whose other item is among the `NEAR` nearest: before, and after each epoch."""

    before: float
    epochs: list[float]
    losses: list[float]
    kept_epoch: int


def tune(
    model: TextModel, pairs: Pairs, held: Pairs, catalog: Sequence[str], plan: Plan, say: Callable[[str], None]
) -> tuple[TextModel, Tuned]:
    """A model tuned on pairs of texts, judged by `held` pairs among the texts of `catalog`.

    The weights are those after the best epoch; where none is better than before, they
    are as they were (`kept_epoch` 0).
    """
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    before = found_near(model, held, catalog)
    adapted: Any = get_peft_model(model.network, LoraConfig(r=plan.rank, target_modules=["query", "value"]))
    student = replace(model, network=adapted)
    learner = torch.optim.AdamW(
        [parameter for parameter in adapted.parameters() if parameter.requires_grad], lr=plan.rate
    )
    best, best_epoch, shares, losses = before, 0, list[float](), list[float]()
    weights = _adapters(adapted)
    for epoch in range(1, plan.epochs + 1):
        losses.append(_epoch(student, pairs, learner, plan, rng))
        shares.append(found_near(student, held, catalog))
        say(f"epoch {epoch}: loss {losses[-1]:.3f}, {shares[-1]:.1%} of held-out pairs found, {before:.1%} before")
        if shares[-1] > best:
            best, best_epoch, weights = shares[-1], epoch, _adapters(adapted)
        elif epoch - best_epoch >= plan.retry:
            break
    adapted.load_state_dict(weights, strict=False)
    merged = replace(model, network=adapted.merge_and_unload().eval())
    return merged, Tuned(before, shares, losses, best_epoch)


def found_near(model: TextModel, held: Pairs, catalog: Sequence[str], near: int = NEAR) -> float:
    """The share of pairs whose second text is among the `near` texts of `catalog` nearest to the first."""
    place = {text: row for row, text in enumerate(catalog)}
    model.network.eval()
    vectors = Encoder(model).encode(list(catalog)).vectors
    ones, others = (np.array([place[pair[side]] for pair in held], dtype=np.intp) for side in (0, 1))
    scores = vectors[ones] @ vectors.T
    scores[np.arange(len(held)), ones] = -np.inf
    better = (scores > scores[np.arange(len(held)), others][:, None]).sum(axis=1)
    return float((better < near).mean())


def save(model: TextModel, origin: Path, folder: Path) -> None:
    """Write the model with all that says how it is used, as `encoder.model` reads it: weights as safetensors alone."""
    folder.mkdir(parents=True, exist_ok=True)
    model.network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    for name in BESIDE:
        if (origin / name).is_file():
            shutil.copy(origin / name, folder / name)
    if (origin / "1_Pooling").is_dir():
        shutil.copytree(origin / "1_Pooling", folder / "1_Pooling", dirs_exist_ok=True)


def _epoch(model: TextModel, pairs: Pairs, learner: Any, plan: Plan, rng: np.random.Generator) -> float:
    """One pass over the pairs in random order; the mean loss."""
    model.network.train()
    order, losses = rng.permutation(len(pairs)), []
    for start in range(0, len(order), plan.batch):
        some = [pairs[row] for row in order[start : start + plan.batch]]
        loss = _loss(model, some, plan, rng)
        learner.zero_grad()
        loss.backward()
        learner.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses))


def _loss(model: TextModel, pairs: Pairs, plan: Plan, rng: np.random.Generator) -> torch.Tensor:
    """InfoNCE both ways; an item that is in the batch twice is not held against itself."""
    left_texts, others = ([pair[side] for pair in pairs] for side in (0, 1))
    left, right = (_vectors(model, [shortened(text, rng) for text in those], plan) for those in (left_texts, others))
    scores = left @ right.T / TEMPERATURE
    same = torch.tensor([[a in (left_text, other) for a in others] for left_text, other in pairs], device=scores.device)
    scores = scores.masked_fill(same & ~torch.eye(len(pairs), dtype=torch.bool, device=scores.device), -1e9)
    target = torch.arange(len(pairs), device=scores.device)
    cross = torch.nn.functional.cross_entropy
    return (cross(scores, target) + cross(scores.T, target)) / 2


def shortened(text: str, rng: np.random.Generator) -> str:
    """The text without some of its words, never without all of them."""
    words = text.split(" ")
    retained = [word for word, stays in zip(words, rng.random(len(words)) >= DROPPED, strict=True) if stays]
    return " ".join(retained or words)


def _vectors(model: TextModel, texts: Sequence[str], plan: Plan) -> torch.Tensor:
    """Vectors of length 1 with their gradients."""
    ids = [tokens[: plan.longest] for tokens in token_ids(model, texts)]
    return torch.nn.functional.normalize(model.pooled(*padded(model, ids)), dim=1)


def _adapters(network: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items() if "lora_" in name}
