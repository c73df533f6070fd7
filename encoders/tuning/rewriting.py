"""The same text in other words, by a model that rewrites or by two that translate there and back.

Back-translation gives texts that mean nearly the same in other words (Sennrich, Haddow and Birch 2016, "Improving
neural machine translation models with monolingual data"; Edunov et al. 2018, section 3, on sampled ones).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from encoders.model import device_of, folder_of, require_safetensors
from schemas.errors import BadSettings

SETTING = "--rewrite"
BATCH = 16
LONGEST = 128
LIKELIEST = 0.9
"""Words are drawn from the likeliest, which together have this chance: always the likeliest would be one text."""


@dataclass(frozen=True, slots=True)
class Rewriter:
    """A sequence-to-sequence model of transformers that needs no words about languages (Marian, BART, T5)."""

    name: str
    tokenizer: Any
    network: Any
    device: torch.device

    @torch.inference_mode()
    def rewrite(self, texts: Sequence[str]) -> list[str]:
        """What the model makes of each text, drawn by torch's own generator."""
        results: list[str] = []
        for start in range(0, len(texts), BATCH):
            some = list(texts[start : start + BATCH])
            inputs = self.tokenizer(some, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
            ids = self.network.generate(
                input_ids=inputs["input_ids"].to(self.device),
                attention_mask=inputs["attention_mask"].to(self.device),
                do_sample=True,
                top_p=LIKELIEST,
                max_new_tokens=LONGEST,
            )
            results += [text.strip() for text in self.tokenizer.batch_decode(ids, skip_special_tokens=True)]
        return results


def load_rewriter(name: str, device: str = "auto") -> Rewriter:
    """The model at a path or of a name; raises `BadSettings`."""
    folder, where = folder_of(name, SETTING), device_of(device)
    require_safetensors(folder, SETTING)
    own = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **own)
        network = AutoModelForSeq2SeqLM.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **own)
    except (OSError, ValueError) as error:
        raise BadSettings(
            f"{SETTING}: expected a model that makes texts of texts (Marian, BART, T5) in {folder}, got: {error}"
        ) from None
    return Rewriter(name, tokenizer, network.to(where).eval(), where)


def rewritten(
    texts: Sequence[str], steps: Sequence[Callable[[Sequence[str]], list[str]]], times: int, seed: int
) -> dict[str, list[str]]:
    """Other words for each text, at most `times`, by these steps one after the other.

    What came back unchanged or empty is left out, and so is a text that has nothing else.
    """
    torch.manual_seed(seed)
    others: dict[str, list[str]] = {}
    for _ in range(times):
        results = list(texts)
        for step in steps:
            results = step(results)
        for text, other in zip(texts, results, strict=True):
            if other and other != text and other not in others.get(text, ()):
                others.setdefault(text, []).append(other)
    return others
