"""Bayesian optimisation of hyperparameters with a tree-structured Parzen estimator."""

from __future__ import annotations

import importlib.util
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from methods.base import Method, NotApplicable, Run
from tasks.bilevel import HyperparameterBilevel, Solution

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True, kw_only=True)
class BayesianOptimisation(Method):
    """Tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kegl 2011), as Optuna has it (arXiv 1907.10902).

    The first point is the start, then come random ones; entries of x are asked for as shares of their bounds.

    Args:
        first: points before the estimator is asked.
        candidates: among which the expected improvement is maximised.
        most: the largest n that is attempted.
        fit_steps: steps of a fit; None for what the problem says.
    """

    first: int
    candidates: int
    most: int
    fit_steps: int | None

    def solve(self, problem: HyperparameterBilevel, run: Run) -> Solution:
        """Search until the budget is spent.

        Raises:
            NotApplicable: Optuna is missing, or x has more than `most` entries.
        """
        low, high = problem.bounds.T
        if len(low) > self.most:
            raise NotApplicable(f"the estimator models each of {len(low)} entries of x anew for every point")
        if importlib.util.find_spec("optuna") is None:
            raise NotApplicable("it needs the package Optuna: pip install 'bakeoff[tune]'")
        import optuna  # only this method needs it

        optuna.logging.set_verbosity(optuna.logging.WARNING)  # else it announces every study
        share = optuna.distributions.FloatDistribution(0.0, 1.0)
        known: dict[str, BaseDistribution] = {f"x{number}": share for number in range(len(low))}
        sampler = optuna.samplers.TPESampler(
            seed=int(run.rng.integers(2**31)), n_startup_trials=self.first, n_ei_candidates=self.candidates
        )
        study = optuna.create_study(direction="minimize", sampler=sampler)
        start = ((problem.upper_start - low) / (high - low)).tolist()
        study.enqueue_trial(dict(zip(known, start, strict=True)))
        best = float("inf")
        for _ in itertools.count():
            trial = study.ask(known)
            x = low + torch.tensor([trial.params[name] for name in known], dtype=low.dtype) * (high - low)
            reached, y = problem.fit_and_validate(x, self.fit_steps or problem.warm_steps)
            study.tell(trial, reached)
            if reached < best:
                best = reached
                run.offer(Solution(x, y))
        raise AssertionError("only a spent budget ends the search")
