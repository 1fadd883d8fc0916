"""The training that all methods of the arena share: batches, responses, buffer, validation, accounts, checkpoints."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from methods.base import Run
from methods.distillation._losses import Objective
from methods.distillation._regimes import Draw, Progress, Regime, State
from tasks.base import read_only
from tasks.distillation import TRAINED_TOKENS, LanguageDistillation, TokenData
from tasks.distillation.measures import batch_of, cross_entropy, pieces, response_logits
from tasks.metering import random_stream
from tasks.training import Saving, fit


def distil(problem: LanguageDistillation, run: Run, objective: Objective, regime: Regime) -> nn.Module:
    """Train the student by the problem's recipe; the last network is the answer.

    Raises:
        BudgetSpent: the student of the last validation was offered.
        Diverged: a loss is not finite.
    """
    loop = Distillation(problem, run, objective, regime)
    saving = Saving(every=problem.validate_every, state=loop.state, resume=loop.resume)
    student = fit(run, loop.student, problem.recipe, loop.draw, loop.loss, after_step=loop.after_step, saving=saving)
    loop.finish()
    return student


class Distillation:
    """One student in training. What changes is its own: buffer, schedule, counters."""

    def __init__(self, problem: LanguageDistillation, run: Run, objective: Objective, regime: Regime) -> None:
        self.student = problem.student().to(run.fabric.device)
        self._problem, self._run, self._objective, self._regime = problem, run, objective, regime
        self._schedule = regime.start()
        self._buffer = Buffer(regime.capacity(), problem.end)
        self._steps = {choice.value: 0 for choice in Draw}
        self._losses: list[float] = []

    def draw(self, step: int) -> TokenData:
        """The sequences of a step. Takes two numbers from the run's stream, whatever they are used for."""
        if step == 0:
            self._validate(0)
        u, noise = float(self._run.rng.random()), np.random.default_rng(int(self._run.rng.integers(2**63)))
        recipe = self._problem.recipe
        progress = Progress(step + 1, recipe.steps, len(self._buffer))
        choice, self._schedule = self._regime.choose(self._schedule, progress, u)
        self._steps[choice.value] += 1
        if choice is Draw.BUFFER:
            return self._buffer.draw(recipe.batch_size, noise)
        data = self._problem.train.take(self._rows(step))
        if choice is Draw.FRESH:
            data = self._problem.sample(self.student, data, noise).sequences
            self._buffer.add(data)
            self.student.train()
        return data

    def loss(self, data: TokenData) -> Tensor:
        """The objective on some sequences."""
        batch = batch_of(data, self._run.fabric.device)
        self._problem.ledger.spend(TRAINED_TOKENS, int(batch.real.sum()))
        teacher = None
        if self._objective.needs_teacher:
            teacher = response_logits(self._problem.teacher(batch.tokens, batch.real), batch)
        loss = self._objective.loss(teacher, response_logits(self.student(batch.tokens).logits, batch), batch)
        self._losses.append(loss.item())
        return loss

    def after_step(self, done: int) -> None:
        """Validate at the end of an epoch."""
        if done % self._problem.validate_every == 0:
            self._validate(done)

    def finish(self) -> None:
        """Say whether the schedule ever did anything: without that, the method was another one."""
        if self._regime.capacity():
            acted = self._steps[Draw.FRESH] + self._steps[Draw.BUFFER] > 0
            self._run.log("schedule_acted", float(acted), self._problem.recipe.steps)

    def state(self) -> Mapping[str, Any]:
        """All that a checkpoint needs."""
        schedule = asdict(self._schedule)
        return {"schedule": schedule, "buffer": self._buffer.state(), "steps": dict(self._steps)}

    def resume(self, kept: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._schedule = State(**kept["schedule"])
        self._buffer.resume(kept["buffer"])
        self._steps = dict(kept["steps"])

    def _rows(self, step: int) -> NDArray[np.int64]:
        """Rows of the training data: in order, and in later passes in an order that is the same for all methods."""
        count, size = len(self._problem.train), self._problem.recipe.batch_size
        rows: list[NDArray[np.int64]] = []
        for number in range(step * size // count, ((step + 1) * size - 1) // count + 1):  # passes that the step touches
            order = random_stream("pass", number).permutation(count) if number else np.arange(count)
            rows.append(order[max(0, step * size - number * count) : (step + 1) * size - number * count])
        return np.concatenate(rows)

    def _validate(self, done: int) -> None:
        self.student.eval()
        value = cross_entropy(self.student, pieces(self._problem.validation), self._run.fabric.device)
        self._schedule = self._regime.after_validation(self._schedule, value)
        self._run.log("validation_cross_entropy", value, done)
        if self._losses:
            self._run.log("loss", float(np.mean(self._losses)), done)
            self._losses.clear()
        if self._regime.capacity():
            self._run.log("phi", self._schedule.phi, done)
            self._run.log("fresh_steps", self._steps[Draw.FRESH], done)
            self._run.log("buffer_steps", self._steps[Draw.BUFFER], done)
        self._run.offer(copy.deepcopy(self.student).to("cpu"))  # where there is room for a dozen large ones
        self.student.train()


class Buffer:
    """Sequences, first in, first out.

    Args:
        capacity: sequences that it holds.
        end: token that fills up behind the shorter ones of a batch.
    """

    def __init__(self, capacity: int, end: int) -> None:
        self._end = end
        self._kept: deque[tuple[NDArray[np.int64], int]] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, data: TokenData) -> None:
        """Take sequences in; the oldest make room."""
        for tokens, prompt_length, length in zip(data.tokens, data.prompt_length, data.length, strict=True):
            self._kept.append((tokens[:length], int(prompt_length)))

    def draw(self, count: int, rng: np.random.Generator) -> TokenData:
        """Some of them, uniformly and none twice; all if there are no more."""
        chosen = [self._kept[row] for row in rng.permutation(len(self._kept))[:count]]
        length = np.array([len(tokens) for tokens, _ in chosen])
        rows = np.full((len(chosen), int(length.max())), self._end, dtype=np.int64)
        for row, (tokens, _) in enumerate(chosen):
            rows[row, : len(tokens)] = tokens
        return TokenData(read_only(rows), read_only([prompt for _, prompt in chosen]), read_only(length))

    def state(self) -> dict[str, Any]:
        """As tensors."""
        return {
            "tokens": [torch.tensor(tokens) for tokens, _ in self._kept],
            "prompt_length": [length for _, length in self._kept],
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Hold what another buffer held."""
        self._kept.clear()
        for tokens, length in zip(state["tokens"], state["prompt_length"], strict=True):
            self._kept.append((read_only(tokens.numpy()), int(length)))
