"""Asking a prompted language model for the probabilities of its label words."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tasks.base import NotApplicable
from tasks.calibration import Probabilities

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.calibration.corpora import Example
from tasks.calibration.prompts import Template

CACHE_BYTES = 2**28  # keys and values of one batch may take this much; it decides how many questions go together


@dataclass(frozen=True)
class Prompted:
    """A language model behind one prompt: a template and demonstrations in an order.

    Args:
        network: causal language model in evaluation mode.
        tokenizer: its tokenizer.
        template: how texts are asked about.
        demonstrations: answered examples that stand before every question.
    """

    network: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    template: Template
    demonstrations: tuple[Example, ...]

    @torch.inference_mode()
    def probabilities(self, texts: Sequence[str]) -> Probabilities:
        """Next-token probabilities of the label words after each text, renormalised.

        The opening is computed once and its keys and values serve every question.

        Returns:
            (n, K), rows on the simplex.

        Raises:
            NotApplicable: a prompt is longer than the model's context, or two label words begin with the same token.
        """
        words = label_tokens(self.tokenizer, self.template)
        opening, questions = self._tokens(texts)
        past = self._states(torch.tensor([opening]), None)[1] if opening else None
        result = np.empty((len(texts), len(words)))
        order = sorted(range(len(texts)), key=lambda index: len(questions[index]))  # equal lengths need no padding
        size = self._batch_size(len(opening) + len(questions[order[-1]]))
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            result[chosen] = self._answers([questions[index] for index in chosen], past, words)
        return result

    def _tokens(self, texts: Sequence[str]) -> tuple[list[int], list[list[int]]]:
        text = self.template.opening(self.demonstrations)
        opening = list(self.tokenizer(text)["input_ids"]) if text else []
        closings = [self.template.closing(item, first=not text) for item in texts]
        questions = [list(ids) for ids in self.tokenizer(closings, add_special_tokens=False)["input_ids"]]
        longest = len(opening) + max(len(ids) for ids in questions)
        context = getattr(self.network.config, "max_position_embeddings", longest)
        if longest > context:
            raise NotApplicable(f"a prompt has {longest} tokens, but the model reads {context}: use fewer shots")
        return opening, questions

    def _answers(self, questions: list[list[int]], past: Any, words: list[int]) -> Probabilities:
        lengths = [len(ids) for ids in questions]
        batch = torch.zeros(len(questions), max(lengths), dtype=torch.long)  # (B, L), padded behind the last token
        for row, ids in enumerate(questions):
            batch[row, : len(ids)] = torch.tensor(ids)
        if past is not None:
            past = copy.deepcopy(past)  # a forward pass appends to it
            past.batch_repeat_interleave(len(questions))
        states = self._states(batch, past)[0][range(len(questions)), [length - 1 for length in lengths]]  # (B, d)
        logits = self.network.get_output_embeddings()(states)[:, words]  # (B, K)
        rows: Probabilities = torch.softmax(logits.double(), dim=-1).cpu().numpy()
        return rows

    def _states(self, batch: Tensor, past: Any) -> tuple[Tensor, Any]:
        """Last hidden states (B, L, d), and keys and values so far.

        Padding stands behind the tokens of a question, where causal attention cannot see it: no mask is needed.
        """
        output = self.network.base_model(batch.to(self.network.device), past_key_values=past, use_cache=True)
        return output.last_hidden_state, output.past_key_values

    def _batch_size(self, length: int) -> int:
        config = self.network.config
        row = 2 * config.num_hidden_layers * config.hidden_size * length * self.network.dtype.itemsize
        return int(np.clip(CACHE_BYTES // row, 1, 256))


def label_tokens(tokenizer: PreTrainedTokenizerBase, template: Template) -> list[int]:
    """The first token of each label word.

    Raises:
        NotApplicable: two words begin with the same token.
    """
    firsts = [tokenizer.encode(template.word(k), add_special_tokens=False)[0] for k in range(len(template.words))]
    if len(set(firsts)) < len(firsts):
        raise NotApplicable(f"two of the label words {', '.join(template.words)} begin with the same token")
    return firsts
