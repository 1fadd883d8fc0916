"""Talking models: teacher and student send messages to each other about their hidden layers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from methods.base import Method, NotApplicable, Run
from methods.classifier_distillation._loop import Examples, ObjectiveModule, distil, shapes, taught
from methods.classifier_distillation._losses import of_labels
from tasks.classifier_distillation import ClassifierDistillation, Solution
from tasks.classifier_distillation.networks import FrozenTeacher

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class TalkingModels(Method):
    """Distillation by interactive communication (Zhao et al. 2023, arXiv 2310.03188).

        the student says     m = E_S(h_S)                         with h_S its lower hidden layer
        the teacher hears    g = D_T(m) in place of its own lower layer, and computes its upper layer h' from it
        the teacher replies  m' = E_T(h'),    the student hears    r = D_S(m')
        loss = CE + interaction |r - u_S|^2 + state (|D_S(E_S(h_S)) - h_S|^2 + |D_T(E_T(h_T)) - h_T|^2)
                  + message |E_S(h_S) - E_T(h_T)|^2

    u_S is the student's upper hidden layer and h_T, of the same example, the teacher's lower one. Encoders and decoders
    are trained with the student and left behind; the teacher is frozen. More exchanges repeat the four lines, with what
    the student has heard in place of its hidden layer. Only the abstract of the paper was at hand; what is ours:

    1. The form of the three losses, and means over numbers of a layer for the squares.
    2. Encoders and decoders are perceptrons with one hidden layer. Upper and lower layers have encoders and decoders of
       their own, since their sizes may differ.
    3. Layers with places are flattened.
    4. Gradients go through the frozen teacher, so that the student learns what to ask.
    5. What is compared with a hidden layer (u_S, and h_S and h_T in the second loss) is a constant in the gradient.
       Otherwise a student makes these losses small by layers that hardly vary.

    Args:
        width: of a message and of the hidden layer of encoders and decoders.
        exchanges: how often the student asks.
        interaction, state, message: weights of the losses.
    """

    width: int
    exchanges: int
    interaction: float
    state: float
    message: float

    def __post_init__(self) -> None:
        if self.width < 1 or self.exchanges < 1:
            raise ValueError(f"width and exchanges must be at least 1, got {self.width} and {self.exchanges}")

    def solve(self, problem: ClassifierDistillation, run: Run) -> Solution:
        """Train the student while it talks.

        Raises:
            NotApplicable: teacher or student has no lower and upper hidden layer.
        """
        own = shapes(problem)
        if min(len(own), len(problem.teacher.shapes)) < 2:
            raise NotApplicable("teacher and student need two hidden layers to talk about")
        talk = Talk(self, own, problem.teacher)
        return Solution(distil(problem, run, taught(problem, run, features=True), talk, problem.recipe))


class Talk(ObjectiveModule):
    """The loss, with encoders and decoders of both."""

    def __init__(self, how: TalkingModels, student: tuple[Shape, ...], teacher: FrozenTeacher) -> None:
        super().__init__()
        self._how, self._teacher, self._lower = how, teacher, teacher.shapes[0]
        sizes = {
            "student_lower": math.prod(student[0]),
            "student_upper": math.prod(student[-1]),
            "teacher_lower": math.prod(teacher.shapes[0]),
            "teacher_upper": math.prod(teacher.shapes[-1]),
        }
        self.encoders = nn.ModuleDict({name: _perceptron(size, how.width, how.width) for name, size in sizes.items()})
        self.decoders = nn.ModuleDict({name: _perceptron(how.width, how.width, size) for name, size in sizes.items()})

    def loss(self, features: tuple[Tensor, ...], logits: Tensor, batch: Examples) -> Tensor:
        """Labels and the three losses of the talk."""
        states = {
            "student_lower": features[0].flatten(1),
            "student_upper": features[-1].flatten(1),
            "teacher_lower": batch.features[0].flatten(1),
            "teacher_upper": batch.features[-1].flatten(1),
        }
        said = {name: self.encoders[name](hidden) for name, hidden in states.items()}
        kept = [mse_loss(self.decoders[name](said[name]), hidden.detach()) for name, hidden in states.items()]
        target = states["student_upper"].detach()
        heard = [mse_loss(reply, target) for reply in self._replies(said["student_lower"])]
        alike = [mse_loss(said[f"student_{place}"], said[f"teacher_{place}"]) for place in ("lower", "upper")]
        how, mean = self._how, [torch.stack(losses).mean() for losses in (heard, kept, alike)]
        talk = how.interaction * mean[0] + how.state * mean[1] + how.message * mean[2]
        return of_labels(logits, batch.labels) + talk

    def _replies(self, message: Tensor) -> list[Tensor]:
        """What the student hears, exchange by exchange, in the size of its upper layer."""
        heard: list[Tensor] = []
        for number in range(self._how.exchanges):
            if number:
                message = self.encoders["student_upper"](heard[-1])
            entered = self.decoders["teacher_lower"](message).reshape(-1, *self._lower)
            later, _ = self._teacher.from_stage(0, entered)
            reply = self.encoders["teacher_upper"](later[-1].flatten(1))
            heard.append(self.decoders["student_upper"](reply))
        return heard


def _perceptron(inward: int, hidden: int, outward: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inward, hidden), nn.ReLU(), nn.Linear(hidden, outward))
