"""Small language models in the hub's format: a byte-level vocabulary and networks of the GPT-2 architecture."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

END = "<|endoftext|>"
PAD = "<|pad|>"


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Size of a GPT-2 network.

    Args:
        width: of the residual stream.
        layers: transformer blocks.
        heads: attention heads a block.
        context: longest sequence, in tokens.
    """

    width: int
    layers: int
    heads: int
    context: int

    def network(self, vocabulary_size: int, end: int, pad: int) -> GPT2LMHeadModel:
        """A network with fresh weights, drawn from torch's global generator. Dropout is off."""
        config = GPT2Config(
            vocab_size=vocabulary_size,
            n_embd=self.width,
            n_layer=self.layers,
            n_head=self.heads,
            n_positions=self.context,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            resid_pdrop=0.0,
            bos_token_id=end,
            eos_token_id=end,
            pad_token_id=pad,
        )
        return GPT2LMHeadModel(config)


def train_tokenizer(texts: Iterable[str], vocabulary_size: int, whole: Iterable[str] = ()) -> PreTrainedTokenizerFast:
    """A byte-level BPE vocabulary in the hub's format.

    Args:
        texts: what it is trained on.
        vocabulary_size: number of entries, special ones included.
        whole: strings that must stay single tokens, such as label words with their leading space.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[END, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, bos_token=END, pad_token=PAD)
    fast.add_tokens(list(whole))
    return fast


@functools.lru_cache(maxsize=4)
def load_tokenizer(place: str) -> PreTrainedTokenizerBase:
    """The tokenizer at a path or hub name. Shared: do not change it."""
    from transformers import AutoTokenizer

    return cast("PreTrainedTokenizerBase", AutoTokenizer.from_pretrained(place))


def load_network(place: str | Path) -> PreTrainedModel:
    """A fresh copy of the causal language model at a path or hub name, in evaluation mode."""
    from transformers import AutoModelForCausalLM

    return cast("PreTrainedModel", AutoModelForCausalLM.from_pretrained(str(place)).eval())
