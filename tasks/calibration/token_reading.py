"""Asking a causal language model for the probability of whole answers, their first tokens, and of the prompt itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.base import NotApplicable
from tasks.calibration.prompts import Template

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Answers: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]  # (n, K), (n, K), (n,)


def label_words(tokenizer: PreTrainedTokenizerBase, template: Template) -> list[list[int]]:
    """The tokens of each label's answer.

    Raises:
        NotApplicable: two answers begin with the same token, which the first token then cannot tell apart.
    """
    answers = [list(tokenizer.encode(template.word(k), add_special_tokens=False)) for k in range(len(template.words))]
    if len({answer[0] for answer in answers}) < len(answers):
        raise NotApplicable(f"two of the answers {', '.join(template.words)} begin with the same token")
    return answers


class TokenReader:
    """Reads prompts without demonstrations. Every prompt begins with the end token.

    Args:
        network: causal language model in evaluation mode.
        tokenizer: its tokenizer.
    """

    def __init__(self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self._network, self._tokenizer = network, tokenizer

    @torch.inference_mode()
    def read(self, template: Template, texts: Sequence[str]) -> Answers:
        """What the model says to n texts under a template.

        Returns:
            Log-probabilities of the answers, averaged over their tokens (n, K); those of the first tokens (n, K); and
            the perplexity of the prompts (n,).
        """
        answers = label_words(self._tokenizer, template)
        opening = template.opening(())
        prompts = [opening + template.closing(text, first=not opening) for text in texts]
        start = [int(self._tokenizer.eos_token_id)]
        tokens = [start + list(ids) for ids in self._tokenizer(prompts, add_special_tokens=False)["input_ids"]]
        longest = max(map(len, tokens)) + max(map(len, answers))
        if longest > self._network.config.max_position_embeddings:
            raise NotApplicable(f"a prompt and its answer have {longest} tokens, more than the model reads")
        scores, first = np.empty((2, len(texts), len(answers)))
        perplexity = np.empty(len(texts))
        for places in _equally_long(tokens):  # no padding
            batch = torch.tensor([tokens[place] for place in places])
            scores[places], first[places], perplexity[places] = self._batch(batch, answers)
        return scores, first, perplexity

    def _batch(self, batch: Tensor, answers: list[list[int]]) -> Answers:
        """For prompts (B, L) of equal length."""
        batch = batch.to(self._network.device)
        output = self._network(batch, use_cache=True)
        logs = torch.log_softmax(output.logits.double(), dim=-1)  # (B, L, V)
        own = logs[:, :-1].gather(-1, batch[:, 1:, None]).squeeze(-1)  # (B, L - 1)
        firsts = logs[:, -1][:, [answer[0] for answer in answers]]  # (B, K)
        sums = firsts + self._rest(output.past_key_values, answers, len(batch))
        lengths = torch.tensor([len(answer) for answer in answers], device=sums.device)
        means = sums / lengths
        return means.cpu().numpy(), firsts.cpu().numpy(), (-own.mean(dim=-1)).exp().cpu().numpy()

    def _rest(self, past: object, answers: list[list[int]], count: int) -> Tensor:
        """(B, K), the log-probability of each answer's tokens behind its first one."""
        longest = max(len(answer) for answer in answers)
        device = self._network.device
        if longest == 1:
            return torch.zeros(count, len(answers), dtype=torch.float64, device=device)
        # padded behind the last token, where causal attention cannot see it
        tokens = torch.zeros(len(answers), longest, dtype=torch.long, device=device)
        inside = torch.zeros(len(answers), longest - 1, dtype=torch.float64, device=device)
        for row, answer in enumerate(answers):
            tokens[row, : len(answer)] = torch.tensor(answer)
            inside[row, : len(answer) - 1] = 1
        past.batch_repeat_interleave(len(answers))  # type: ignore[attr-defined]
        every = tokens.repeat(count, 1)  # (B K, longest)
        logits = self._network(every[:, :-1], past_key_values=past).logits.double()
        logs = torch.log_softmax(logits, dim=-1).gather(-1, every[:, 1:, None]).squeeze(-1)
        return (logs.view(count, len(answers), -1) * inside).sum(dim=-1)


def _equally_long(tokens: Sequence[Sequence[int]], size: int = 128) -> list[list[int]]:
    """Places of equally long rows, at most `size` together."""
    groups: dict[int, list[int]] = defaultdict(list)
    for place, row in enumerate(tokens):
        groups[len(row)].append(place)
    return [rows[start : start + size] for rows in groups.values() for start in range(0, len(rows), size)]
