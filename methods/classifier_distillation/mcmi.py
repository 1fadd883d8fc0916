"""MCMI: a teacher whose answers tell examples of a class apart, for plain distillation."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

from methods.base import Method, Run
from methods.classifier_distillation._loop import distil, taught, tensor
from methods.classifier_distillation._losses import OfLogits, check_softened
from methods.classifier_distillation._teachers import train_teacher
from tasks.classifier_distillation import TEACHER_EXAMPLES, Solution, WhiteBoxDistillation
from tasks.classifier_distillation.networks import Staged, logits_of


class Centroids(enum.StrEnum):
    """When the mean answers of the classes are computed."""

    FIXED = "fixed"  # before the first step
    EPOCH = "epoch"  # and after every pass over the teacher's examples


@dataclass(frozen=True, kw_only=True)
class MCMI(Method):
    """Maximum conditional mutual information (Ye et al., ICLR 2024, arXiv 2401.08732, equations 9 to 11).

        teacher: CE - weight * CMI,    CMI = mean_x KL(p(. | x), Q of x's class),    Q_y = mean of p(. | x) over class y

    Q is a constant in the gradient. The trained teacher is tuned by this for a short time, then teaches as it is usual:
    (1 - w) CE + w T^2 KL. The more CMI, the better p is thought to estimate the Bayes posteriors. The curve `cmi`
    is that of the answers in each pass, and `cmi_rise` by how much the last one is above that before the first step.
    With a weight of 0 the teacher is trained as long without CMI, which is the control. Deviations:

    1. `centroids: fixed` is the authors' code, which computes Q once before the first step (the update in every batch
       is commented out); the paper alternates between the network and Q, which is `epoch`.
    2. Q is computed in evaluation mode, the authors' in training mode; networks here are the same in both.
    3. AdamW by the task's recipe in place of SGD. The authors' number of passes and share of the highest learning rate
       (a half) are kept.
    4. The authors choose their teachers' checkpoints on test accuracy; here it is the last one.

    Args:
        weight: lambda.
        passes: over the teacher's examples that the tuning takes.
        rate: its highest learning rate, as a share of that of the training.
        centroids: when Q is computed.
        temperature, distillation: T and w.
    """

    weight: float
    passes: int
    rate: float
    centroids: Centroids
    temperature: float
    distillation: float

    def __post_init__(self) -> None:
        if self.passes < 1 or not self.rate > 0:
            raise ValueError(f"at least one pass and rate above 0 are needed, got {self}")
        check_softened(self.temperature, self.distillation)

    def solve(self, problem: WhiteBoxDistillation, run: Run) -> Solution:
        """Tune the teacher, then train the student."""
        teacher = self._tuned(problem, run)
        examples = taught(problem, run, teacher=teacher)
        objective = OfLogits(self.temperature, self.distillation)
        return Solution(distil(problem, run, examples, objective, problem.recipe), teacher)

    def _tuned(self, problem: WhiteBoxDistillation, run: Run) -> Staged:
        given, teacher = problem.teacher_recipe, problem.teacher_copy().to(run.fabric.device)
        an_epoch = max(1, len(problem.teacher_labels) // given.batch_size)
        recipe = replace(given, steps=self.passes * an_epoch, lr=self.rate * given.lr)
        known, before = tensor(problem.teacher_labels), _answers(problem, run, teacher)
        held = [centroids(before, known, problem.classes)]  # of now
        start = divergence(before, held[0][known])
        seen: list[tuple[Tensor, Tensor]] = []  # in this pass

        def loss(logits: Tensor, labels: Tensor) -> Tensor:
            seen.append((logits.detach().cpu(), labels.cpu()))
            means = held[0].to(logits.device)[labels]
            return cross_entropy(logits, labels) - self.weight * divergence(logits, means)

        def after_step(done: int) -> None:
            if done % an_epoch:
                return
            logits, labels = (torch.cat(it) for it in zip(*seen, strict=True))
            now = divergence(logits, centroids(logits, labels, problem.classes)[labels])
            run.log("cmi", float(now), done)
            if done == recipe.steps:  # once, since the first passes raise it by their noise alone
                run.log("cmi_rise", float(now - start), done)
            seen.clear()
            if self.centroids is Centroids.EPOCH:
                held[0] = centroids(_answers(problem, run, teacher), known, problem.classes)

        return train_teacher(problem, run, teacher, recipe, loss, after_step)


def _answers(problem: WhiteBoxDistillation, run: Run, teacher: Staged) -> Tensor:
    """Logits (N, K) of the teacher's examples, charged."""
    problem.ledger.spend(TEACHER_EXAMPLES, len(problem.teacher_labels))
    return logits_of(teacher.eval(), problem.teacher_inputs, run.fabric.device)


def centroids(logits: Tensor, labels: Tensor, classes: int) -> Tensor:
    """The mean answer (K, K) of each class; classes without examples get an even one."""
    sums = torch.zeros(classes, classes).index_add_(0, labels, logits.softmax(dim=1))
    counts = torch.bincount(labels, minlength=classes)[:, None]
    return torch.where(counts > 0, sums / counts.clamp(min=1), torch.full_like(sums, 1 / classes))


def divergence(logits: Tensor, means: Tensor) -> Tensor:
    """Mean over rows of KL(softmax(logits), means), both (B, K)."""
    law = log_softmax(logits, dim=1)
    return (law.exp() * (law - means.clamp(min=torch.finfo(law.dtype).tiny).log())).sum(dim=1).mean()
