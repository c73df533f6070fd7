"""Models of texts and of pictures with random weights, small enough for a test, in folders as they are published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PREPROCESSING = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4], "size": {"shortest_edge": 32},
                 "crop_size": {"height": 32, "width": 32}, "do_center_crop": True, "resample": 3}  # fmt: skip
SIZES = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
LONGEST = 12


def default_tokenizer() -> Any:
    """That of the default text model, without its weights."""
    from transformers import AutoTokenizer

    from encoders.model import folder_of

    return AutoTokenizer.from_pretrained(folder_of(""), local_files_only=True)


def save_joint(kind: str, tokenizer: Any, folder: Path) -> Any:
    """A model of texts and pictures with 8 dimensions, "clip" or "siglip", which reads `LONGEST` tokens."""
    import torch
    from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

    torch.manual_seed(1)
    words = SIZES | {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": LONGEST,
        "eos_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    eyes = SIZES | {"image_size": 32, "patch_size": 8}
    network: Any = (
        CLIPModel(CLIPConfig(text_config=words, vision_config=eyes, projection_dim=8))
        if kind == "clip"
        else SiglipModel(
            SiglipConfig(text_config=words | {"projection_size": 8}, vision_config=eyes | {"hidden_size": 8})
        )
    )
    save_pictured(network.eval(), folder)
    tokenizer.save_pretrained(folder)
    return network


def save_pictured(network: Any, folder: Path) -> None:
    """The network, and how pictures are scaled for it."""
    network.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING))


def save_multilingual(texts: Sequence[str], folder: Path) -> Any:
    """An encoder of XLM-RoBERTa's kind that reads `LONGEST` tokens, with pieces of words learned from these texts."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

    torch.manual_seed(1)
    pieces = Tokenizer(models.Unigram())
    pieces.normalizer, pieces.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces.train_from_iterator(
        texts, trainers.UnigramTrainer(vocab_size=400, special_tokens=special, unk_token="<unk>", show_progress=False)
    )
    pieces.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=pieces, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    network = XLMRobertaModel(
        XLMRobertaConfig(
            vocab_size=len(tokenizer), max_position_embeddings=LONGEST + 2, type_vocab_size=1, pad_token_id=1, **SIZES
        ),
        add_pooling_layer=False,
    ).eval()
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return network
