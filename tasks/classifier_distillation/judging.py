"""What an answer must be, and how it is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tasks.base import Diverged, Invalid
from tasks.classifier_distillation import Solution
from tasks.classifier_distillation.networks import logits_of, size
from tasks.images import Labelled
from tasks.metering import Ledger, Limit

BINS = 15


class Notebook(Ledger):
    """A ledger in which the judge also notes what methods must not know: how often the teacher was wrong.

    Args:
        limits: as of `Ledger`.
    """

    def __init__(self, *limits: Limit) -> None:
        super().__init__(*limits)
        self._asked = 0
        self._wrong = 0

    def note(self, wrong: NDArray[np.bool_]) -> None:
        """Note answers to queries."""
        self._asked += len(wrong)
        self._wrong += int(wrong.sum())

    def wrong_share(self) -> float | None:
        """Share of wrong answers; None where nothing was asked."""
        return self._wrong / self._asked if self._asked else None


class Constant(nn.Module):
    """The same logits for every input: the logarithm of how frequent classes are."""

    def __init__(self, labels: NDArray[np.int64], classes: int) -> None:
        super().__init__()
        counts = np.bincount(labels, minlength=classes) + 1.0
        self.register_buffer("law", torch.tensor(np.log(counts / counts.sum()), dtype=torch.float32))

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, K)."""
        return self.get_buffer("law").expand(len(inputs), -1)


def check_solution(solution: Any, student: nn.Module, teacher: nn.Module) -> None:
    """Refuse what is no network, and what is larger than the student.

    A larger network is let through if it is the teacher weight for weight: the ceiling.

    Raises:
        Invalid: saying why.
    """
    if not isinstance(solution, Solution) or not isinstance(solution.network, nn.Module):
        raise Invalid(f"the solution must be a Solution that holds a torch module, got {type(solution).__name__}")
    if not isinstance(solution.teacher, nn.Module | None):
        raise Invalid(f"the teacher must be a torch module or None, got {type(solution.teacher).__name__}")
    own, allowed = size(solution.network), size(student)
    if own > allowed and not _same_weights(solution.network, teacher):
        raise Invalid(f"the solution has {own} parameters, the student only {allowed}")


def answers(network: nn.Module, inputs: NDArray[np.float32], classes: int, device: torch.device) -> Tensor:
    """Logits (n, K) of a network for inputs.

    Raises:
        Invalid: their shape is another one, or they depend on what else is asked.
        Diverged: they are not finite.
    """
    network = network.to(device).eval()
    try:
        logits = logits_of(network, inputs, device)
        alone = logits_of(network, inputs[::2][:50], device)
    except (RuntimeError, TypeError, ValueError) as error:
        raise Invalid(f"the solution does not answer inputs with logits: {error}") from error
    if logits.shape != (len(inputs), classes):
        raise Invalid(f"logits of shape {(len(inputs), classes)} were expected, got {tuple(logits.shape)}")
    if not torch.isfinite(logits).all():
        raise Diverged("the logits of the solution are not finite")
    if not torch.allclose(alone, logits[::2][:50], rtol=1e-3, atol=1e-3):
        raise Invalid("the answer to an input depends on the inputs beside it")
    return logits


def scores(logits: Tensor, labels: NDArray[np.int64]) -> dict[str, float]:
    """Accuracy, negative log-likelihood and expected calibration error."""
    right = accuracy_of(logits, labels)
    return {
        "accuracy": right,
        "nll": float(cross_entropy(logits, torch.from_numpy(np.array(labels)))),
        "ece": calibration_error(logits.softmax(dim=1).numpy(), labels),
    }


def accuracy_of(logits: Tensor, labels: NDArray[np.int64]) -> float:
    """Share of rows whose largest logit is that of the label."""
    return float((logits.argmax(dim=1).numpy() == labels).mean())


def calibration_error(probabilities: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Mean distance of confidence and accuracy over bins of equal width, weighed by rows (Guo et al. 2017)."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))


def total_variation(logits: Tensor, posteriors: NDArray[np.float32]) -> float:
    """Mean over rows of half the absolute differences."""
    return float(0.5 * np.abs(logits.softmax(dim=1).numpy() - posteriors).sum(axis=1).mean())


def class_divergence(logits: Tensor, labels: NDArray[np.int64]) -> float:
    """Conditional mutual information of input and answer given the class: mean KL(p(x), mean p of x's class)."""
    known = torch.from_numpy(np.array(labels))
    law = logits.double().log_softmax(dim=1)
    total = 0.0
    for label in torch.unique(known):
        rows = law[known == label]
        total += float((rows.exp() * (rows - rows.exp().mean(dim=0).log())).sum())
    return total / len(known)


def teacher_scores(logits: Tensor, test: Labelled, posteriors: NDArray[np.float32] | None) -> dict[str, float]:
    """What is measured of a teacher, from its logits on the test examples."""
    measured = {
        "teacher_accuracy": accuracy_of(logits, test.labels),
        "teacher_cmi": class_divergence(logits, test.labels),
    }
    return measured | ({} if posteriors is None else {"teacher_posterior_tv": total_variation(logits, posteriors)})


def _same_weights(one: nn.Module, other: nn.Module) -> bool:
    left, right = dict(one.named_parameters()), dict(other.named_parameters())
    same_shapes = {name: tensor.shape for name, tensor in left.items()} == {
        name: tensor.shape for name, tensor in right.items()
    }
    return same_shapes and all(torch.equal(tensor.cpu(), right[name].cpu()) for name, tensor in left.items())
