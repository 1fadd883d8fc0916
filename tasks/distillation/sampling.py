"""Responses drawn from a causal language model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.base import read_only
from tasks.distillation import GENERATED_TOKENS, Sampled, TokenData
from tasks.metering import Ledger

Choice: TypeAlias = Callable[[Tensor, int], Tensor]  # logits (B, V) and the number of the place -> tokens (B,)


@dataclass(frozen=True)
class Generation:
    """What was drawn after B prompts.

    Args:
        tokens: (B, S) int64, the end token included; padding behind it.
        length: (B,) tokens drawn for each prompt.
        log_probability: (B, S) float32, of each token when it was drawn; 0 behind the end.
    """

    tokens: Tensor
    length: Tensor
    log_probability: Tensor


@torch.no_grad()
def generate(
    model: nn.Module,
    prompts: Tensor,
    real: Tensor,
    choose: Choice,
    *,
    longest: int,
    end: int,
    pad: int,
    before_token: Callable[[int], None] | None = None,
) -> Generation:
    """Continue prompts with a key-value cache until every sequence has ended.

    Args:
        model: a causal language model of `transformers`.
        prompts: (B, P) int64, padded on the left.
        real: (B, P) bool, true where a token is no padding.
        choose: picks the next token of each sequence.
        longest: most tokens that are drawn for a prompt.
        end: the token that ends a sequence.
        pad: what stands behind it.
        before_token: told before each place how many sequences have not ended.
    """
    mask = real.long()
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    unfinished = torch.ones(len(prompts), dtype=torch.bool, device=prompts.device)
    length = torch.zeros(len(prompts), dtype=torch.long, device=prompts.device)
    drawn: list[Tensor] = []
    likelihoods: list[Tensor] = []
    inputs, cache = prompts, None
    for place in range(longest):
        if not unfinished.any():
            break
        if before_token is not None:
            before_token(int(unfinished.sum()))
        answer = model(
            input_ids=inputs, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )
        cache = answer.past_key_values
        logits = answer.logits[:, -1].float()  # (B, V)
        token = choose(logits, place)  # (B,)
        likelihood = logits.log_softmax(dim=-1).gather(1, token[:, None])[:, 0]
        drawn.append(torch.where(unfinished, token, pad))
        likelihoods.append(torch.where(unfinished, likelihood, 0.0))
        length += unfinished
        unfinished = unfinished & (token != end)
        inputs, positions = drawn[-1][:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
    return Generation(torch.stack(drawn, dim=1), length, torch.stack(likelihoods, dim=1))


def sampling(rng: np.random.Generator, count: int, longest: int) -> Choice:
    """Draws from the model at temperature 1, by inverting the cumulative probabilities.

    All uniform numbers, one for each sequence and place, are drawn beforehand. So what is drawn for one sequence does
    not depend on the others, nor on the device, and two models that are sampled with the same numbers are paired.
    """
    uniform = torch.from_numpy(rng.random((count, longest)))

    def choose(logits: Tensor, place: int) -> Tensor:
        cumulative = logits.softmax(dim=-1).double().cumsum(dim=-1)  # (B, V)
        level = uniform[:, place, None].to(logits.device) * cumulative[:, -1:]
        return torch.searchsorted(cumulative, level, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)

    return choose


@dataclass(frozen=True)
class Sampler:
    """Draws responses; see `tasks.distillation.Sample`.

    Args:
        longest: most tokens of a response.
        end: the token that ends a response; padding, too.
        ledger: charged for each token before it is drawn; None where scoring draws, which costs the method nothing.
    """

    longest: int
    end: int
    ledger: Ledger | None

    def __call__(self, model: nn.Module, prompts: TokenData, rng: np.random.Generator) -> Sampled:
        """A response to each prompt."""
        model.eval()
        device = next(model.parameters()).device
        width = int(prompts.prompt_length.max())
        places = np.arange(width) - (width - prompts.prompt_length[:, None])  # (B, P), negative left of the prompt
        tokens = np.where(places >= 0, np.take_along_axis(prompts.tokens, np.maximum(places, 0), axis=1), self.end)
        drawn = generate(
            model,
            torch.from_numpy(tokens).to(device),
            torch.from_numpy(places >= 0).to(device),
            sampling(rng, len(prompts), self.longest),
            longest=self.longest,
            end=self.end,
            pad=self.end,
            before_token=self._charge,
        )
        sequences = _joined(prompts, drawn.tokens.cpu().numpy(), drawn.length.cpu().numpy(), self.end)
        return Sampled(sequences, read_only(drawn.log_probability.cpu().numpy()))

    def _charge(self, tokens: int) -> None:
        if self.ledger is not None:
            self.ledger.spend(GENERATED_TOKENS, tokens)


def _joined(prompts: TokenData, drawn: NDArray[np.int64], drawn_length: NDArray[np.int64], end: int) -> TokenData:
    length = prompts.prompt_length + drawn_length
    tokens = np.full((len(length), int(length.max())), end, dtype=np.int64)
    for row, (first, last) in enumerate(zip(prompts.prompt_length, length, strict=True)):
        tokens[row, :first] = prompts.tokens[row, :first]
        tokens[row, first:last] = drawn[row, : last - first]
    return TokenData(read_only(tokens), read_only(prompts.prompt_length), read_only(length))
