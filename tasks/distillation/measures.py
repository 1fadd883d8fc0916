"""Sequences as tensors, and what is measured along them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tasks.distillation import TokenData

ROWS = 64  # sequences in one forward pass of a measurement


@dataclass(frozen=True)
class TokenBatch:
    """Sequences on a device.

    Args:
        tokens: (B, T) int64, padded on the right.
        real: (B, T) bool, true where a token is no padding.
        scored: (B, T - 1) bool, true where the next token belongs to the response: N of them. The end token counts,
            padding does not.
        recorded: (2, B, T - 1), log-probabilities of the next tokens under student and teacher when they were drawn, 0
            where nothing is scored; None where nothing was recorded.
    """

    tokens: Tensor
    real: Tensor
    scored: Tensor
    recorded: Tensor | None = None

    @property
    def targets(self) -> Tensor:
        """(N,) int64, the response tokens of all sequences, one behind the other."""
        return self.tokens[:, 1:][self.scored]


def batch_of(data: TokenData, device: torch.device) -> TokenBatch:
    """Put sequences on a device."""
    places = np.arange(data.tokens.shape[1])
    real = places < data.length[:, None]
    scored = real[:, 1:] & (places[1:] >= data.prompt_length[:, None])
    tokens = torch.tensor(data.tokens)  # copies, as torch wants to write
    return TokenBatch(tokens.to(device), torch.from_numpy(real).to(device), torch.from_numpy(scored).to(device))


def response_logits(logits: Tensor, batch: TokenBatch) -> Tensor:
    """The predictions of response tokens: logits (B, T, V) -> (N, V), float32.

    A mean over these rows is the mean over the response tokens of the whole batch.
    """
    return logits[:, :-1][batch.scored].float()


def cross_entropy(model: nn.Module, data: Iterable[TokenData], device: torch.device) -> float:
    """Mean cross-entropy of the response tokens, in nats."""

    def rows(batch: TokenBatch) -> Tensor:
        return -_log_law(model, batch).gather(1, batch.targets[:, None])[:, 0]

    return _mean(rows, data, device)


def divergence(one: nn.Module, other: nn.Module, data: Iterable[TokenData], device: torch.device) -> float:
    """Mean Kullback-Leibler divergence KL(one, other) of the next-token laws along the responses, in nats."""

    def rows(batch: TokenBatch) -> Tensor:
        left, right = (_log_law(model, batch) for model in (one, other))
        return (left.exp() * (left - right)).sum(dim=-1)

    return _mean(rows, data, device)


def rouge_l(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Mean ROUGE-L F with stemming, the best over the references of each prediction, from 0 to 100."""
    from rouge_score.rouge_scorer import RougeScorer  # loads a stemmer and is needed only here

    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    pairs = zip(predictions, references, strict=True)
    return 100 * float(np.mean([scorer.score_multi(known, text)["rougeL"].fmeasure for text, known in pairs]))


def pieces(data: TokenData, size: int = ROWS) -> Iterator[TokenData]:
    """The sequences, some at a time."""
    for start in range(0, len(data), size):
        yield data.take(slice(start, start + size))


@torch.no_grad()
def _mean(rows: Callable[[TokenBatch], Tensor], data: Iterable[TokenData], device: torch.device) -> float:
    total, count = 0.0, 0
    for piece in data:
        values = rows(batch_of(piece, device))  # (N,)
        total, count = total + float(values.double().sum()), count + len(values)
    return total / count


def _log_law(model: nn.Module, batch: TokenBatch) -> Tensor:
    return response_logits(model(batch.tokens).logits, batch).log_softmax(dim=-1)
