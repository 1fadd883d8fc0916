"""A small causal transformer that is told where each token stands and what it may look at."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Size of a reader.

    Args:
        width: of the residual stream.
        layers: transformer blocks.
        heads: attention heads a block.
        context: number of positions.
    """

    width: int
    layers: int
    heads: int
    context: int

    def __post_init__(self) -> None:
        if min(self.width, self.layers, self.heads, self.context) < 1 or self.width % self.heads:
            raise ValueError("width, layers, heads and context must be 1 or more, and heads must divide width")


class Reader(nn.Module):
    """Pre-norm transformer with learned positions, tied embeddings and no dropout, as GPT-2 is built."""

    def __init__(self, shape: Shape, vocabulary: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, shape.width)
        self.positions = nn.Embedding(shape.context, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        for table in (self.tokens, self.positions):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, tokens: Tensor, positions: Tensor, attention: Tensor) -> Tensor:
        """Tokens and positions (B, T), attention (B, T, T) bool -> logits (B, T, V)."""
        logits: Tensor = self.norm(self.states(tokens, positions, attention)[-1]) @ self.tokens.weight.T
        return logits

    def states(self, tokens: Tensor, positions: Tensor, attention: Tensor) -> list[Tensor]:
        """The stream before the first block and behind each: layers + 1 of (B, T, width), asked as `forward` is."""
        streams = [self.tokens(tokens) + self.positions(positions)]
        for block in self.blocks:
            streams.append(block(streams[-1], attention[:, None]))
        return streams


class Block(nn.Module):
    """Attention and a two-layer perceptron, each added to the stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.before = nn.LayerNorm(shape.width)
        self.mixed = nn.Linear(shape.width, 3 * shape.width)
        self.joined = nn.Linear(shape.width, shape.width)
        self.between = nn.LayerNorm(shape.width)
        self.wide = nn.Linear(shape.width, 4 * shape.width)
        self.narrow = nn.Linear(4 * shape.width, shape.width)

    def forward(self, stream: Tensor, attention: Tensor) -> Tensor:
        """Stream (B, T, width), attention (B, 1, T, T) bool -> (B, T, width)."""
        batch, length, width = stream.shape
        parts = self.mixed(self.before(stream)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=attention)  # (B, heads, T, d)
        stream = stream + self.joined(seen.transpose(1, 2).reshape(batch, length, width))
        added: Tensor = stream + self.narrow(torch.nn.functional.gelu(self.wide(self.between(stream))))
        return added


def causal(batch: int, length: int) -> Tensor:
    """The attention of ordinary reading: (B, T, T), true on and below the diagonal."""
    return torch.ones((length, length), dtype=torch.bool).tril().expand(batch, length, length)
