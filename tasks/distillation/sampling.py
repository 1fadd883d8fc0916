"""Responses drawn from a causal language model."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.base import read_only
from tasks.distillation import GENERATED_TOKENS, PROMPT_TOKENS, TEACHER_TOKENS, Sampled, TokenData
from tasks.metering import Ledger

Choice: TypeAlias = Callable[[Tensor, int, Tensor], Tensor]  # see `sampling`

DROPPED = 0.75  # sequences that have ended are dropped when the share of the others is at most this


@dataclass(frozen=True)
class Generation:
    """What was drawn after B prompts.

    Args:
        tokens: (B, S) int64, the end token included; padding behind it.
        length: (B,) tokens drawn for each prompt.
        log_probability: (M, B, S) float32, of each token under each of M models when it was drawn; 0 behind the end.
    """

    tokens: Tensor
    length: Tensor
    log_probability: Tensor


@dataclass(frozen=True)
class Guide:
    """A second model that takes part in drawing: from (1 - share) q + share p, with p its law and q the first's."""

    model: nn.Module
    share: float


class _Reader:
    """A causal language model of `transformers` that reads on where it stopped, with a key-value cache."""

    def __init__(self, model: nn.Module) -> None:
        self._model: Any = model
        self._cache: Any = None
        names = inspect.signature(self._model.forward).parameters
        self._last = {"logits_to_keep": 1} if "logits_to_keep" in names else {}
        kind = getattr(self._model.config, "_attn_implementation", None)
        self._takes_ready_masks = kind in ("sdpa", "eager")

    def read(self, tokens: Tensor, real: Tensor, positions: Tensor) -> Tensor:
        """The log-probabilities (B, V) of what follows.

        Args:
            tokens: (B, T) that come next.
            real: (B, all read so far and T) bool, true where a token is no padding.
            positions: (B, T) of the tokens.
        """
        mask = real.long()
        if self._cache is not None and self._takes_ready_masks:  # one token sees all that is real: saves a tenth
            dtype = self._model.dtype
            mask = torch.zeros_like(real, dtype=dtype).masked_fill_(~real, torch.finfo(dtype).min)[:, None, None]
        answer = self._model(
            input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=self._cache, use_cache=True,
            **self._last,
        )  # fmt: skip
        self._cache = answer.past_key_values
        law: Tensor = answer.logits[:, -1].float().log_softmax(dim=-1)
        return law

    def keep(self, rows: Tensor) -> None:
        """Read on in some of the sequences only."""
        self._cache.batch_select_indices(rows)


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
    guide: Guide | None = None,
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
        guide: a model that takes part in drawing.
    """
    readers = [_Reader(one) for one in ([model] if guide is None else [model, guide.model])]
    tokens = torch.full((len(prompts), longest), pad, device=prompts.device)
    likelihood = torch.zeros(len(readers), len(prompts), longest, device=prompts.device)
    rows = torch.arange(len(prompts), device=prompts.device)  # of the R sequences that are read on
    length, unfinished = torch.zeros_like(rows), torch.ones_like(rows, dtype=torch.bool)  # (B,), (R,)
    inputs, positions = prompts, (real.long().cumsum(dim=1) - 1).clamp(min=0)
    for place in range(longest):
        left = int(unfinished.sum())
        if left == 0:
            break
        if left <= DROPPED * len(rows):
            kept = unfinished.nonzero()[:, 0]
            rows, inputs, positions, real, unfinished = (
                part[kept] for part in (rows, inputs, positions, real, unfinished)
            )
            for reader in readers:
                reader.keep(kept)
        if before_token is not None:
            before_token(left)
        laws = [reader.read(inputs, real, positions) for reader in readers]  # of (R, V)
        token = choose(laws[0] if guide is None else _mixed(laws[1], laws[0], guide.share), place, rows)  # (R,)
        tokens[rows, place] = torch.where(unfinished, token, pad)
        for number, law in enumerate(laws):
            likelihood[number, rows, place] = torch.where(unfinished, law.gather(1, token[:, None])[:, 0], 0.0)
        length[rows] += unfinished
        unfinished = unfinished & (token != end)
        inputs, positions = token[:, None], positions[:, -1:] + 1
        real = torch.cat([real, real.new_ones(len(real), 1)], dim=1)
    width = int(length.max())
    return Generation(tokens[:, :width], length, likelihood[:, :, :width])


def sampling(rng: np.random.Generator, count: int, longest: int) -> Choice:
    """Draws by inverting the cumulative probabilities: log-probabilities (R, V), place, rows (R,) -> tokens (R,).

    All uniform numbers, one for each sequence and place, are drawn beforehand. So what is drawn for one sequence does
    not depend on the others, nor on the device, and two models that are sampled with the same numbers are paired.
    """
    uniform = torch.from_numpy(rng.random((count, longest)))

    def choose(law: Tensor, place: int, rows: Tensor) -> Tensor:
        cumulative = law.exp().double().cumsum(dim=-1)  # (R, V)
        level = uniform[rows.to(uniform.device), place, None].to(law.device) * cumulative[:, -1:]
        return torch.searchsorted(cumulative, level, right=True)[:, 0].clamp(max=law.shape[-1] - 1)

    return choose


@dataclass(frozen=True)
class Sampler:
    """Draws responses; see `tasks.distillation.Sample`.

    Args:
        longest: most tokens of a response.
        end: the token that ends a response; padding, too.
        ledger: charged for the prompts, and for each token before it is drawn; None where scoring draws, which costs
            the method nothing.
        teacher: may take part in drawing.
    """

    longest: int
    end: int
    ledger: Ledger | None = None
    teacher: nn.Module | None = None

    def __call__(
        self, model: nn.Module, prompts: TokenData, rng: np.random.Generator, *, teacher_share: float = 0.0
    ) -> Sampled:
        """A response to each prompt.

        Raises:
            ValueError: the share is outside [0, 1), or there is no teacher to take it.
        """
        if not 0 <= teacher_share < 1 or (teacher_share > 0 and self.teacher is None):
            raise ValueError(f"teacher_share must be in [0, 1), and 0 without a teacher, got {teacher_share}")
        model.eval()
        device = next(model.parameters()).device
        guide = (
            Guide(self.teacher.to(device), teacher_share) if self.teacher is not None and teacher_share > 0 else None
        )
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
            before_token=self._charge(int(prompts.prompt_length.sum()), guided=guide is not None),
            guide=guide,
        )
        sequences = _joined(prompts, drawn.tokens.cpu().numpy(), drawn.length.cpu().numpy(), self.end)
        laws = [read_only(law) for law in drawn.log_probability.cpu().numpy()]
        return Sampled(sequences, *laws)

    def _charge(self, prompts: int, *, guided: bool) -> Callable[[int], None]:
        """Books the tokens of each place, and what is read before it: the prompts, then one a sequence. What a student
        reads of its own response is part of drawing it."""
        ledger, unread = self.ledger, prompts

        def charge(tokens: int) -> None:
            nonlocal unread
            if ledger is None:
                return
            if unread:
                ledger.spend(PROMPT_TOKENS, unread)
            if guided:
                ledger.spend(TEACHER_TOKENS, unread or tokens)
            unread = 0
            ledger.spend(GENERATED_TOKENS, tokens)

        return charge


def _mixed(log_one: Tensor, log_other: Tensor, share: float) -> Tensor:
    return torch.logaddexp(log_one + math.log(share), log_other + math.log1p(-share))


def _joined(prompts: TokenData, drawn: NDArray[np.int64], drawn_length: NDArray[np.int64], end: int) -> TokenData:
    length = prompts.prompt_length + drawn_length
    tokens = np.full((len(length), int(length.max())), end, dtype=np.int64)
    for row, (first, last) in enumerate(zip(prompts.prompt_length, length, strict=True)):
        tokens[row, :first] = prompts.tokens[row, :first]
        tokens[row, first:last] = drawn[row, : last - first]
    return TokenData(read_only(tokens), read_only(prompts.prompt_length), read_only(length))
