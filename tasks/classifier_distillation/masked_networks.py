"""Small vision transformers and masked autoencoders."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from tasks.classifier_distillation import TEACHER_EXAMPLES
from tasks.classifier_distillation.networks import Staged
from tasks.metering import Ledger

EPSILON = 1e-6  # of all normalisations, as He et al. 2022


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """The size of a vision transformer and of the decoder of its autoencoder.

    Args:
        width, depth, heads: of the encoder.
        decoder_width, decoder_depth: of the decoder, with as many heads.
        patch: pixels on a side of a token.
    """

    width: int
    depth: int
    heads: int
    decoder_width: int
    decoder_depth: int
    patch: int

    def __post_init__(self) -> None:
        if min(self.depth, self.decoder_depth, self.heads, self.patch) < 1:
            raise ValueError(f"depths, heads and patch must be at least 1, got {self}")
        if self.width % self.heads or self.decoder_width % self.heads:
            raise ValueError(f"widths must be multiples of heads, got {self}")

    def build(self, shape: tuple[int, ...], classes: int) -> VisionTransformer:
        """The classifier with fresh weights, for images (C, H, W)."""
        if shape[1] % self.patch or shape[2] % self.patch:
            raise ValueError(f"images of {shape[1:]} pixels cannot be cut into squares of width {self.patch}")
        return VisionTransformer(self, shape, classes)

    def masked(self, shape: tuple[int, ...], classes: int) -> MaskedAutoencoder:
        """The autoencoder with fresh weights; its encoder is that of `build` with the same random numbers."""
        return MaskedAutoencoder(self, self.build(shape, classes), shape)


class Embedding(nn.Module):
    """Images (B, C, H, W) -> tokens (B, 2 + N, D): a class token, a distillation token, and the patches."""

    def __init__(self, size: Transformer, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.patch, count = size.patch, (shape[1] // size.patch) * (shape[2] // size.patch)
        self.linear = nn.Linear(shape[0] * size.patch**2, size.width)
        self.places = nn.Parameter(0.02 * torch.randn(2 + count, size.width))

    def patches(self, images: Tensor) -> Tensor:
        """Tokens of the patches with their places, (B, N, D)."""
        tokens: Tensor = self.linear(cut(images, self.patch)) + self.places[2:]
        return tokens

    def forward(self, images: Tensor) -> Tensor:
        """All tokens; class and distillation token are their places."""
        return torch.cat([self.places[:2].expand(len(images), -1, -1), self.patches(images)], dim=1)


class VisionTransformer(Staged):
    """A vision transformer with a class head and a distillation head (DeiT); logits are the mean of both.

    Stage i ends behind block i; what it gives are tokens (B, 2 + N, D).
    """

    def __init__(self, size: Transformer, shape: tuple[int, ...], classes: int) -> None:
        embedding, made = Embedding(size, shape), [_block(size.width, size.heads) for _ in range(size.depth)]
        stages = [nn.Sequential(embedding, made[0]), *(nn.Sequential(block) for block in made[1:])]
        super().__init__(stages, nn.Linear(size.width, classes))
        self.norm = nn.LayerNorm(size.width, eps=EPSILON)
        self.distillation_head = nn.Linear(size.width, classes)

    @property
    def embedding(self) -> Embedding:
        """What makes tokens of images."""
        first = next(self.stages[0].children())
        assert isinstance(first, Embedding)
        return first

    def blocks(self) -> list[nn.Module]:
        """In order."""
        return [list(stage.children())[-1] for stage in self.stages]

    def heads(self, last: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K) of the class head and of the distillation head, from what the last stage gives."""
        tokens = self.norm(last[:, :2])
        return self.head(tokens[:, 0]), self.distillation_head(tokens[:, 1])

    def answer(self, last: Tensor) -> Tensor:
        """The mean of both heads."""
        one, other = self.heads(last)
        return (one + other) / 2


class MaskedAutoencoder(nn.Module):
    """A masked autoencoder (He et al. 2022, arXiv 2111.06377) around the encoder of a vision transformer.

    The encoder sees the class token and the patches that are not masked, no distillation token.
    """

    def __init__(self, size: Transformer, encoder: VisionTransformer, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.encoder, self.patch, width = encoder, size.patch, size.decoder_width
        count = (shape[1] // size.patch) * (shape[2] // size.patch)
        self.inward = nn.Linear(size.width, width)
        self.mask = nn.Parameter(0.02 * torch.randn(width))
        self.places = nn.Parameter(0.02 * torch.randn(1 + count, width))
        self.decoder = nn.ModuleList([_block(width, size.heads) for _ in range(size.decoder_depth)])
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.pixels = nn.Linear(width, shape[0] * size.patch**2)
        self.patch_count, self.decoder_width = count, width

    def hidden(self, images: Tensor, noise: Tensor, ratio: float, blocks: int) -> Tensor:
        """What the decoder's first blocks give, (B, 1 + N, decoder width), class token first.

        Args:
            noise: (B, N); the patches with the least numbers are seen.
            ratio: share of the patches that are masked.
            blocks: how many of the decoder.
        """
        order = noise.argsort(dim=1)
        seen = order[:, : max(1, round((1 - ratio) * self.patch_count))]
        tokens = self.encoder.embedding.patches(images)
        few = torch.gather(tokens, 1, seen[:, :, None].expand(-1, -1, tokens.shape[2]))
        state = torch.cat([self.encoder.embedding.places[:1].expand(len(images), -1, -1), few], dim=1)
        for block in self.encoder.blocks():
            state = block(state)
        state = self.inward(self.encoder.norm(state))
        filled = self.mask.expand(len(images), self.patch_count, -1)
        filled = filled.scatter(1, seen[:, :, None].expand(-1, -1, state.shape[2]), state[:, 1:])
        state = torch.cat([state[:, :1], filled], dim=1) + self.places
        for block in list(self.decoder)[:blocks]:
            state = block(state)
        return state

    def loss(self, images: Tensor, noise: Tensor, ratio: float) -> Tensor:
        """Mean square over masked patches, whose pixels are normalised patch by patch."""
        state = self.norm(self.hidden(images, noise, ratio, len(self.decoder)))
        wanted = layer_norm(cut(images, self.patch), (self.pixels.out_features,), eps=EPSILON)
        squares = (self.pixels(state[:, 1:]) - wanted).pow(2).mean(dim=2)
        ranks = noise.argsort(dim=1).argsort(dim=1)
        masked = (ranks >= max(1, round((1 - ratio) * self.patch_count))).float()
        mean: Tensor = (squares * masked).sum() / masked.sum().clamp(min=1)
        return mean


class MaskedTeacher:
    """A frozen autoencoder; each example that it reads is charged.

    Args:
        network: whose parameters get no gradients.
        ledger: is charged one of `teacher_examples` for each example.
    """

    def __init__(self, network: MaskedAutoencoder, ledger: Ledger) -> None:
        self._network = network.eval().requires_grad_(False)
        self._ledger = ledger
        self.decoder_width = network.decoder_width
        self.decoder_depth = len(network.decoder)
        self.patch_count = network.patch_count

    @torch.no_grad()
    def hidden(self, images: Tensor, noise: Tensor, ratio: float, blocks: int) -> Tensor:
        """As `MaskedAutoencoder.hidden`."""
        self._ledger.spend(TEACHER_EXAMPLES, len(images))
        return self._network.to(images.device).hidden(images, noise, ratio, blocks)


def cut(images: Tensor, patch: int) -> Tensor:
    """The pixels of each patch, (B, N, C * patch^2), row by row."""
    count, colours, height, width = images.shape
    cells = images.reshape(count, colours, height // patch, patch, width // patch, patch)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(count, -1, colours * patch**2)


def _block(width: int, heads: int) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(
        width, heads, 4 * width, dropout=0.0, activation="gelu", layer_norm_eps=EPSILON, batch_first=True,
        norm_first=True,
    )  # fmt: skip
