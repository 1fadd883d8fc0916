"""The generic stage of G2SD against the authors' lines, and both losses against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from methods.classifier_distillation._loop import UNKNOWN, Examples
from methods.classifier_distillation.g2sd import G2SD, BothHeads, First, Second, of_hidden
from runners import catalog
from runners.build import build
from tasks.classifier_distillation.masked_networks import Transformer

# pengzhiliang/G2SD at 6146adf, G2SD/engine_distill.py: the two lines that make `labels_feature_decoder` and
# `loss_feature_decoder`, run on the input below, float32; value, and gradient of the last token of image 0.
VALUE = 1.195787787437439
GRADIENT = [-0.03294602409005165, -0.029386816546320915, 0.03333333507180214, -0.004647315014153719, -0.03333333507180]


def test_the_generic_loss_is_that_of_the_authors() -> None:
    n = torch.arange(30, dtype=torch.float32).reshape(2, 3, 5)
    student, teacher = (3 * torch.sin(1.7 * n)).requires_grad_(), 3 * torch.cos(2.3 * n)
    loss = of_hidden(student, teacher, 2.0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(VALUE, rel=1e-5)
    assert student.grad is not None
    assert student.grad[0, 2].tolist() == pytest.approx(GRADIENT, abs=1e-6)


def test_the_generic_loss_of_one_token_by_hand() -> None:
    """(1, -1) is normalised already. Differences 1 and 3: 1 / 4 below beta = 2, and 3 - 1 above it."""
    loss = of_hidden(torch.tensor([[[2.0, -4.0]]]), torch.tensor([[[1.0, -1.0]]]), 2.0)
    assert loss.item() == pytest.approx((1 / 4 + 2) / 2, rel=1e-4)


def test_the_specific_loss_by_hand() -> None:
    """Heads that say ln 3 to 0 and 0 to 0, class 0 and a teacher for class 1: (ln(4 / 3) + ln 2) / 2."""
    size = Transformer(width=4, depth=1, heads=1, decoder_width=4, decoder_depth=1, patch=2)
    student = size.build((1, 4, 4), 2)
    with torch.no_grad():
        for head, bias in ((student.head, math.log(3)), (student.distillation_head, 0.0)):
            head.weight.zero_()
            head.bias.copy_(torch.tensor([bias, 0.0]))
    images = torch.rand(3, 1, 4, 4)
    batch = Examples(images, torch.zeros(3, dtype=torch.long), torch.tensor([[0.0, 5.0]]).repeat(3, 1))
    loss = BothHeads(student).loss(student.features(images), student(images), batch)
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2, rel=1e-5)


def test_the_teacher_stands_in_for_labels_that_are_missing() -> None:
    size = Transformer(width=4, depth=1, heads=1, decoder_width=4, decoder_depth=1, patch=2)
    student, images, says = size.build((1, 4, 4), 2), torch.rand(3, 1, 4, 4), torch.tensor([[0.0, 5.0]]).repeat(3, 1)
    features, logits = student.features(images), student(images)
    some, all_of_them = (
        BothHeads(student).loss(features, logits, Examples(images, torch.tensor(labels), says))
        for labels in ([0, UNKNOWN, UNKNOWN], [0, 1, 1])
    )
    assert torch.equal(some, all_of_them)


def test_the_row_has_the_authors_values() -> None:
    method = build(catalog.find("method", "classifier_distillation/g2sd").values, G2SD, "method")
    assert method == G2SD(first=First.FEATURES, second=Second.TEACHER, ratio=0.75, stop=0.5, beta=2.0)
