"""The training that all methods of the arena share: batches, responses, buffer, validation, accounts, checkpoints."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from methods.base import Run
from methods.distillation._buffer import Buffer, Drawn
from methods.distillation._losses import Objective
from methods.distillation._regimes import Draw, Progress, Regime, State
from tasks.distillation import TRAINED_TOKENS, LanguageDistillation, TokenData
from tasks.distillation.measures import batch_of, cross_entropy, pieces, response_logits
from tasks.metering import random_stream
from tasks.training import Saving, fit


def distil(
    problem: LanguageDistillation, run: Run, objective: Objective, regime: Regime, beside: Objective | None = None
) -> nn.Module:
    """Train the student by the problem's recipe; the last network is the answer.

    Args:
        problem: what is to be answered.
        run: gives randomness and device, takes curves and checkpoints.
        objective: the loss of the sequences that the regime chooses.
        regime: chooses them.
        beside: a loss that is added in each step, of the references of that step.

    Raises:
        BudgetSpent: the student of the last validation was offered.
        Diverged: a loss is not finite.
    """
    loop = Distillation(problem, run, objective, regime, beside)
    saving = Saving(every=problem.validate_every, state=loop.state, resume=loop.resume)
    student = fit(run, loop.student, problem.recipe, loop.draw, loop.loss, after_step=loop.after_step, saving=saving)
    loop.finish()
    return student


class Distillation:
    """One student in training. What changes is its own: buffer, schedule, counters."""

    def __init__(
        self,
        problem: LanguageDistillation,
        run: Run,
        objective: Objective,
        regime: Regime,
        beside: Objective | None = None,
    ) -> None:
        self.student = problem.student().to(run.fabric.device)
        self._problem, self._run, self._regime = problem, run, regime
        self._objective, self._beside = objective, beside
        self._schedule = regime.start()
        self._buffer = Buffer(regime.capacity(), problem.end)
        self._steps = {choice.value: 0 for choice in Draw}
        self._losses: list[float] = []
        self._taught: TokenData | None = None

    def draw(self, step: int) -> Drawn:
        """The sequences of a step. Takes two numbers from the run's stream, whatever they are used for."""
        if step == 0:
            self._validate(0)
        u, noise = float(self._run.rng.random()), np.random.default_rng(int(self._run.rng.integers(2**63)))
        progress = Progress(step + 1, self._problem.recipe.steps, len(self._buffer), self._buffer.left)
        choice, self._schedule = self._regime.choose(self._schedule, progress, u)
        self._steps[choice.value] += 1
        drawn = self._drawn(choice, step, noise)
        if self._beside is None:
            return drawn
        return replace(drawn, beside=self._problem.train.take(self._rows(step, self._problem.recipe.batch_size)))

    def loss(self, drawn: Drawn) -> Tensor:
        """The objective on some sequences, and the one beside it on the references."""
        loss = self._loss(self._objective, drawn.data, drawn.recorded)
        if self._beside is not None and drawn.beside is not None:
            loss = loss + self._loss(self._beside, drawn.beside, None)
        self._losses.append(loss.item())
        return loss

    def after_step(self, done: int) -> None:
        """Validate at the end of an epoch."""
        if done % self._problem.validate_every == 0:
            self._validate(done)

    def finish(self) -> None:
        """Say whether the schedule ever did anything of its own: responses were used again, or its chances moved.
        Without that the method was a fixed mixture of references and fresh responses."""
        if self._regime.capacity():
            used_again = self._steps[Draw.BUFFER] + self._steps[Draw.REPLAY] + self._steps[Draw.NEXT]
            acted = used_again > 0 or self._schedule.phi != self._regime.start().phi
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

    def _drawn(self, choice: Draw, step: int, noise: np.random.Generator) -> Drawn:
        problem, size = self._problem, self._problem.recipe.batch_size
        if choice is Draw.BUFFER:
            return Drawn(self._buffer.draw(size, noise))
        if choice is Draw.NEXT:
            return self._buffer.next(size, noise)
        if choice is Draw.ROLLOUT:
            wanted = self._regime.rollout()
            prompts = problem.train.take(self._rows(step, wanted.sequences))
            self._buffer.fill(problem.sample(self.student, prompts, noise, teacher_share=wanted.teacher_share))
            self.student.train()
            return self._buffer.next(size, noise)
        if choice is Draw.TEACHER:
            if self._taught is None:
                self._taught = problem.teacher_corpus()
            return Drawn(self._taught.take(self._rows(step, size)))
        data = problem.train.take(self._rows(step, size))
        if choice is Draw.DATA:
            return Drawn(data)
        fresh = problem.sample(self.student, data, noise).sequences
        self._buffer.add(fresh)
        self.student.train()
        return Drawn(self._buffer.draw(size, noise) if choice is Draw.REPLAY else fresh)

    def _loss(self, objective: Objective, data: TokenData, recorded: NDArray[np.float32] | None) -> Tensor:
        batch = batch_of(data, self._run.fabric.device)
        if recorded is not None:
            batch = replace(batch, recorded=torch.from_numpy(recorded).to(batch.tokens.device))
        self._problem.ledger.spend(TRAINED_TOKENS, int(batch.real.sum()))
        teacher = None
        if objective.needs_teacher:
            teacher = response_logits(self._problem.teacher(batch.tokens, batch.real), batch)
        return objective.loss(teacher, response_logits(self.student(batch.tokens).logits, batch), batch)

    def _rows(self, step: int, wanted: int) -> NDArray[np.int64]:
        """Rows of the training data from where a step begins: in order, and in later passes in an order that is the
        same for all methods.
        """
        count, first = len(self._problem.train), step * self._problem.recipe.batch_size
        last = first + wanted
        rows: list[NDArray[np.int64]] = []
        for number in range(first // count, (last - 1) // count + 1):  # passes that are touched
            order = random_stream("pass", number).permutation(count) if number else np.arange(count)
            rows.append(order[max(0, first - number * count) : last - number * count])
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
            fresh, old = (Draw.FRESH, Draw.REPLAY, Draw.ROLLOUT), (Draw.BUFFER, Draw.NEXT)
            self._run.log("fresh_steps", sum(self._steps[choice] for choice in fresh), done)
            self._run.log("buffer_steps", sum(self._steps[choice] for choice in old), done)
        self._run.offer(copy.deepcopy(self.student).to("cpu"))  # where there is room for a dozen large ones
        self.student.train()
