"""What an answer must be."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tasks.base import Invalid


def size(network: nn.Module) -> int:
    """Parameters of a network, shared ones counted once."""
    return sum(parameter.numel() for parameter in network.parameters())


def vocabulary_of(network: Any) -> int:
    """Tokens that a network knows."""
    return int(network.get_input_embeddings().weight.shape[0])


def check_solution(solution: Any, teacher: nn.Module, student: nn.Module) -> None:
    """Refuse what is no language model over this vocabulary, and what is larger than the student.

    A larger network is let through if it is the teacher weight for weight: the ceiling. No method can see the
    teacher's weights.

    Raises:
        Invalid: saying why.
    """
    if not isinstance(solution, nn.Module):
        raise Invalid(f"the solution must be a torch module, got {type(solution).__name__}")
    own, allowed = size(solution), size(student)
    if own > allowed and not _same_weights(solution, teacher):
        raise Invalid(f"the solution has {own} parameters, the student only {allowed}")
    vocabulary = vocabulary_of(teacher)
    device = next((parameter.device for parameter in solution.parameters()), torch.device("cpu"))
    with torch.no_grad():
        try:
            shape = tuple(solution(torch.zeros((1, 2), dtype=torch.long, device=device)).logits.shape)
        except (AttributeError, RuntimeError, TypeError) as error:
            raise Invalid(f"the solution does not answer token ids with logits: {error}") from error
    if shape != (1, 2, vocabulary):
        raise Invalid(f"logits of shape (1, 2, {vocabulary}) were expected, got {shape}")


def _same_weights(one: nn.Module, other: nn.Module) -> bool:
    left, right = dict(one.named_parameters()), dict(other.named_parameters())
    same_shapes = {name: tensor.shape for name, tensor in left.items()} == {
        name: tensor.shape for name, tensor in right.items()
    }
    return same_shapes and all(torch.equal(tensor.cpu(), right[name]) for name, tensor in left.items())
