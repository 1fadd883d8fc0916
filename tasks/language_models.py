"""Small language models in the hub's format: a byte-level vocabulary and networks of the GPT-2 architecture."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from transformers.utils import logging

from tasks.base import NotApplicable
from tasks.data import offline
from tasks.preparation import Preparation

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
        _hide_progress()
        config = GPT2Config(
            vocab_size=vocabulary_size,
            n_embd=self.width,
            n_layer=self.layers,
            n_head=self.heads,
            n_positions=self.context,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            resid_pdrop=0.0,
            activation_function="gelu_pytorch_tanh",  # GPT-2's own, in one kernel
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

    return cast("PreTrainedTokenizerBase", AutoTokenizer.from_pretrained(place, local_files_only=offline()))


def load_network(place: str | Path) -> PreTrainedModel:
    """A fresh copy of the causal language model at a path or hub name, in evaluation mode."""
    from transformers import AutoModelForCausalLM

    _hide_progress()
    return cast("PreTrainedModel", AutoModelForCausalLM.from_pretrained(str(place), local_files_only=offline()).eval())


@functools.cache
def _hide_progress() -> None:
    """Reading and writing the small networks of this project is no progress that anyone needs to watch."""
    logging.disable_progress_bar()


@dataclass(frozen=True, kw_only=True)
class LanguageModel(ABC):
    """A causal language model that `transformers` can load from a place."""

    @classmethod
    def named(cls, name: str) -> LanguageModel:
        """The model at a folder or of a name on the hub: the short form of this part."""
        return HubModel(name=name)

    @abstractmethod
    def place(self) -> str:
        """Folder or hub name."""

    def check(self) -> None:  # noqa: B027 (most models need nothing that could be absent)
        """Say cheaply whether what the model is built from is here.

        Raises:
            NotApplicable: it is not.
        """

    def network(self) -> PreTrainedModel:
        """A fresh copy of the network, in evaluation mode.

        Raises:
            NotApplicable: there is no such model here, and the hub cannot be reached.
        """
        return _opened(self.place(), load_network)

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Its tokenizer, shared.

        Raises:
            NotApplicable: as for the network.
        """
        return _opened(self.place(), load_tokenizer)


@dataclass(frozen=True, kw_only=True)
class StoredModel(LanguageModel, Preparation):
    """A model that is built here, once for all seeds, and kept with its tokenizer in the hub's format."""

    def load(self, folder: Path) -> str:
        """The folder, from which `transformers` loads."""
        return str(folder)

    def place(self) -> str:
        """The folder of the model."""
        return str(self.artefact(0))


@dataclass(frozen=True, kw_only=True)
class HubModel(LanguageModel):
    """A folder in the hub's format, or a name on the hub such as gpt2-xl."""

    name: str

    def place(self) -> str:
        """The folder or name."""
        return self.name


Opened = TypeVar("Opened")


def _opened(place: str, load: Callable[[str], Opened]) -> Opened:
    try:
        return load(place)
    except OSError as error:
        cause = str(error).strip().splitlines()[0]
        raise NotApplicable(f"the model '{place}' is no folder here and the hub did not give it: {cause}") from error
