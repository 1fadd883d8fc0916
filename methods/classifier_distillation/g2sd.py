"""G2SD: a masked autoencoder teaches first in general, then for the labels; and each stage alone."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, layer_norm, smooth_l1_loss

from methods.base import Method, Run
from methods.classifier_distillation._loop import (
    UNKNOWN,
    Examples,
    ObjectiveModule,
    known,
    passes,
    taught,
    tensor,
    train,
)
from tasks.classifier_distillation import TRAINED_EXAMPLES, MaskedDistillation, Solution
from tasks.classifier_distillation.masked_networks import MaskedAutoencoder, VisionTransformer
from tasks.training import Recipe, fit

EPSILON = 1e-6  # authors' code, of the normalisation of the target


class First(enum.StrEnum):
    """What the student does before it sees labels."""

    FEATURES = "features"  # imitates the hidden layer of the teacher's decoder
    PIXELS = "pixels"  # fills in masked patches, without the teacher
    NOTHING = "nothing"


class Second(enum.StrEnum):
    """What the student is trained on then."""

    TEACHER = "teacher"  # labels and the classes that the teacher says
    LABELS = "labels"


@dataclass(frozen=True, kw_only=True)
class G2SD(Method):
    """Generic-to-specific distillation (Huang et al., CVPR 2023, arXiv 2302.14771).

        generic: smooth L1 (beta 2) of P(student decoder) and LayerNorm(teacher decoder after a part of its blocks),
                 over all tokens, both with the same patches masked; P is a perceptron that is left behind
        specific: 1/2 CE(class head, labels) + 1/2 CE(distillation head, arg max of the fine-tuned teacher)

    The answer is the mean of both heads. Deviations from the authors' code:

    1. The task says how long the stages are, both follow its recipe; no mixup, cutmix, erasing or decay over layers.
    2. The distillation token and the heads exist from the start, untouched by the generic stage.
    3. Labels are known for some images only; the class that the teacher says stands in for those that are not.
    4. With `second: labels` both heads are trained on the labels.

    Args:
        first, second: what the stages are.
        ratio: share of masked patches.
        stop: share of the teacher's decoder blocks behind which the target is read.
        beta: of the smooth L1 loss.
    """

    first: First
    second: Second
    ratio: float
    stop: float
    beta: float

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1 or not 0 < self.stop <= 1 or not self.beta > 0:
            raise ValueError(f"ratio between 0 and 1, stop above 0 to 1 and beta above 0 are needed, got {self}")

    def solve(self, problem: MaskedDistillation, run: Run) -> Solution:
        """Train in two stages."""
        network, rest = problem.masked_student(), problem.recipe
        if self.first is not First.NOTHING:
            self._generic(problem, run, network, problem.generic)
            rest = problem.specific
        student, teacher = problem.from_encoder(network), self.second is Second.TEACHER
        examples = taught(problem, run) if teacher else known(problem)
        return Solution(train(problem, run, student, examples, BothHeads(student), rest))

    def _generic(self, problem: MaskedDistillation, run: Run, network: MaskedAutoencoder, recipe: Recipe) -> None:
        """Train the autoencoder in place, by the teacher's features or by pixels."""
        images, teacher, device = tensor(problem.unlabelled), problem.masked_teacher, run.fabric.device
        order, wide = passes(run, len(images), recipe), teacher.decoder_width
        maps = nn.Sequential(nn.Linear(network.decoder_width, wide), nn.GELU(), nn.Linear(wide, wide))
        noises = torch.from_numpy(run.rng.random((recipe.steps, recipe.batch_size, network.patch_count)))
        blocks = max(1, round(self.stop * teacher.decoder_depth))

        def draw(step: int) -> tuple[Tensor, Tensor]:
            problem.ledger.spend(TRAINED_EXAMPLES, recipe.batch_size)
            return images[order[step]].to(device), noises[step].float().to(device)

        def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
            if self.first is First.PIXELS:
                return network.loss(*batch, self.ratio)
            goal = teacher.hidden(*batch, self.ratio, blocks)
            own = maps(network.hidden(*batch, self.ratio, len(network.decoder)))
            return of_hidden(own, goal, self.beta)

        fit(run, nn.ModuleList([network, maps]), recipe, draw, loss)


def of_hidden(student: Tensor, teacher: Tensor, beta: float) -> Tensor:
    """Smooth L1 of a layer (B, N, D) and another one, normalised token by token without weights."""
    return smooth_l1_loss(student, layer_norm(teacher, teacher.shape[-1:], eps=EPSILON), beta=beta)


class BothHeads(ObjectiveModule):
    """1/2 cross-entropy of the labels at the class head + 1/2 of the teacher's classes at the distillation head.

    Labels that are not known are the teacher's classes.
    """

    def __init__(self, student: VisionTransformer) -> None:
        super().__init__()
        self._heads = student.heads

    def loss(self, features: tuple[Tensor, ...], logits: Tensor, batch: Examples) -> Tensor:
        """Without a teacher both heads get the labels, all of which have to be known."""
        one, other = self._heads(features[-1])
        classes = batch.labels if batch.logits is None else batch.logits.argmax(dim=1)
        labels = torch.where(batch.labels == UNKNOWN, classes, batch.labels)
        return cross_entropy(one, labels) / 2 + cross_entropy(other, classes) / 2
