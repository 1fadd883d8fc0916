"""Losses of students: of labels, of logits, and of hidden layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax, mse_loss, normalize, smooth_l1_loss, softmax

from methods.classifier_distillation._loop import UNKNOWN, Examples, ObjectiveModule
from tasks.classifier_distillation.networks import channels, pooled


def of_labels(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy, the mean over rows whose label is known; 0 where none is."""
    total = cross_entropy(logits, labels, ignore_index=UNKNOWN, label_smoothing=smoothing, reduction="sum")
    return total / (labels != UNKNOWN).sum().clamp(min=1)


def of_logits(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(teacher / T), softmax(logits / T)), the mean over rows (Hinton et al. 2015)."""
    law = log_softmax(teacher / temperature, dim=1)
    return temperature**2 * kl_div(
        log_softmax(logits / temperature, dim=1), law, reduction="batchmean", log_target=True
    )


def of_attention(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of the attention maps: squares summed over channels, of norm 1 (AT, 2017)."""
    return mse_loss(attention(student), attention(teacher))


def attention(hidden: Tensor) -> Tensor:
    """The attention map (B, places) of a layer (B, channels, height, width), of norm 1."""
    return normalize(hidden.pow(2).mean(dim=1).flatten(1), dim=1)


def of_distances(student: Tensor, teacher: Tensor) -> Tensor:
    """Huber loss of all pairwise distances, each in units of their mean (RKD, equation 5)."""
    return smooth_l1_loss(_relative(student), _relative(teacher).detach())


def of_angles(student: Tensor, teacher: Tensor) -> Tensor:
    """Huber loss of the cosines of the angles in all triangles (RKD, equation 7)."""
    return smooth_l1_loss(_cosines(student), _cosines(teacher).detach())


def _relative(rows: Tensor) -> Tensor:
    squares = (rows**2).sum(dim=1)
    apart = (squares[:, None] + squares[None] - 2 * rows @ rows.T).clamp(min=1e-12).sqrt()
    apart = apart * (1 - torch.eye(len(rows), device=rows.device))
    return apart / apart[apart > 0].mean()


def _cosines(rows: Tensor) -> Tensor:
    """(B, B, B): at corner i between j and k."""
    towards = normalize(rows[None] - rows[:, None], dim=2)
    return torch.bmm(towards, towards.transpose(1, 2))


class OfLabels(ObjectiveModule):
    """Cross-entropy of the labels, smoothed or not."""

    def __init__(self, smoothing: float = 0.0) -> None:
        super().__init__()
        self.smoothing = smoothing

    def loss(self, features: tuple[Tensor, ...], logits: Tensor, batch: Examples) -> Tensor:
        """The teacher is not asked."""
        return of_labels(logits, batch.labels, self.smoothing)


def check_softened(temperature: float, weight: float) -> None:
    """Refuse values that plain distillation cannot have.

    Raises:
        ValueError: one is out of its range.
    """
    if not temperature > 0 or not 0 <= weight <= 1:
        raise ValueError(f"temperature above 0 and weight from 0 to 1 are needed, got {temperature} and {weight}")


class OfLogits(ObjectiveModule):
    """(1 - w) cross-entropy + w T^2 KL."""

    def __init__(self, temperature: float, weight: float) -> None:
        super().__init__()
        self.temperature, self.weight = temperature, weight

    def loss(self, features: tuple[Tensor, ...], logits: Tensor, batch: Examples) -> Tensor:
        """Labels and logits."""
        assert batch.logits is not None
        divergence = of_logits(logits, batch.logits, self.temperature)
        return (1 - self.weight) * of_labels(logits, batch.labels) + self.weight * divergence


class OfHints(ObjectiveModule):
    """Cross-entropy + weight * mean square of teacher's hidden layer less a linear map of the student's."""

    def __init__(self, weight: float, stage: int, student: tuple[int, ...], teacher: tuple[int, ...]) -> None:
        super().__init__()
        self.weight, self.stage = weight, stage
        images, widths = len(student) == 3, (channels(student), channels(teacher))
        self.regressor = nn.Conv2d(*widths, 1) if images else nn.Linear(*widths)

    def loss(self, features: tuple[Tensor, ...], logits: Tensor, batch: Examples) -> Tensor:
        """Labels and the hint."""
        hint = mse_loss(self.regressor(features[self.stage]), batch.features[self.stage])
        return of_labels(logits, batch.labels) + self.weight * hint


class OfRelations(ObjectiveModule):
    """Cross-entropy + weight * (distance_weight * distances + angle_weight * angles)."""

    def __init__(self, weight: float, distance_weight: float, angle_weight: float) -> None:
        super().__init__()
        self.weight, self.distance_weight, self.angle_weight = weight, distance_weight, angle_weight

    def loss(self, features: tuple[Tensor, ...], logits: Tensor, batch: Examples) -> Tensor:
        """Labels and how the last hidden layers lie to each other."""
        student, teacher = pooled(features[-1]), pooled(batch.features[-1])
        relations = self.distance_weight * of_distances(student, teacher)
        relations = relations + self.angle_weight * of_angles(student, teacher)
        return of_labels(logits, batch.labels) + self.weight * relations


class OfAttention(ObjectiveModule):
    """Cross-entropy + weight * the sum over stages of the differences of attention maps."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def loss(self, features: tuple[Tensor, ...], logits: Tensor, batch: Examples) -> Tensor:
        """Labels and attention."""
        pairs = zip(features, batch.features, strict=True)
        apart = torch.stack([of_attention(student, teacher) for student, teacher in pairs]).sum()
        return of_labels(logits, batch.labels) + self.weight * apart


class OfContrasts(ObjectiveModule):
    """Cross-entropy + weight * the InfoNCE of student and teacher embeddings, others of the batch as negatives."""

    def __init__(self, weight: float, temperature: float, width: int, student: int, teacher: int) -> None:
        super().__init__()
        self.weight, self.temperature = weight, temperature
        self.of_student, self.of_teacher = nn.Linear(student, width), nn.Linear(teacher, width)

    def loss(self, features: tuple[Tensor, ...], logits: Tensor, batch: Examples) -> Tensor:
        """Labels and contrasts, in both directions."""
        student = normalize(self.of_student(pooled(features[-1])), dim=1)
        teacher = normalize(self.of_teacher(pooled(batch.features[-1])), dim=1)
        alike, same = student @ teacher.T / self.temperature, torch.arange(len(student), device=student.device)
        contrast = (cross_entropy(alike, same) + cross_entropy(alike.T, same)) / 2
        return of_labels(logits, batch.labels) + self.weight * contrast


class OfSoftLabels(ObjectiveModule):
    """Cross-entropy of labels where they are known, and of the teacher's probabilities elsewhere."""

    def loss(self, features: tuple[Tensor, ...], logits: Tensor, batch: Examples) -> Tensor:
        """The mean over rows."""
        assert batch.logits is not None
        hard = (batch.labels != UNKNOWN)[:, None]
        one_hot = nn.functional.one_hot(batch.labels.clamp(min=0), logits.shape[1]).float()
        return cross_entropy(logits, torch.where(hard, one_hot, softmax(batch.logits, dim=1)))
