"""The vision transformer: an image is a sequence of patches, and every patch looks at all others.

Dosovitskiy et al., "An image is worth 16x16 words: transformers for image recognition at scale",
ICLR 2021. Attention: Vaswani et al., "Attention is all you need", NeurIPS 2017. Layer names are
torchvision's, so that its weights load unchanged. T is the number of tokens, D the width.
Used in lectures 14 and 15.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..withheld import asked_for

EPSILON = 1e-6  # added to the variance in layer norm, as in the paper's code


@asked_for("14.2")
def attention(queries: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Return what every query reads, (..., T, D), and its weights of the S keys, (..., T, S).

    Used in lecture 14.

    Example:
        >>> same, values = torch.zeros(2, 4), torch.tensor([[1.0], [3.0]])
        >>> read, weights = attention(same, same, values)
        >>> read.flatten().tolist(), weights[0].tolist()
        ([2.0, 2.0], [0.5, 0.5])
    """
    shrunk = queries * queries.shape[-1] ** -0.5
    shares = torch.einsum("...id,...jd->...ij", shrunk, keys).softmax(dim=-1)
    return shares @ values, shares


class SelfAttention(nn.Module):
    """Attention of a sequence to itself in several heads, each with D / heads numbers a token.

    Parameters as in `nn.MultiheadAttention`: ``in_proj_weight`` (3D, D) makes queries, keys and
    values at once. Used in lecture 14.

    Example:
        >>> SelfAttention(8, heads=2)(torch.zeros(1, 5, 8)).shape
        torch.Size([1, 5, 8])
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"{dim} numbers cannot be shared out evenly among {heads} heads")
        self.heads = heads
        self.in_proj_weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(3 * dim, dim)))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        nn.init.zeros_(self.out_proj.bias)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values of x (N, T, D), each (N, heads, T, D / heads)."""
        made = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        queries, keys, values = made.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return queries, keys, values

    def weights(self, x: Tensor) -> Tensor:
        """Return how much each token reads of each other one: (N, heads, T, T)."""
        return attention(*self.split(x))[1]

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, T, D)."""
        read = F.scaled_dot_product_attention(*self.split(x))  # as `attention`, but faster
        return self.out_proj(read.transpose(1, 2).flatten(2))


@asked_for("14.3")
class EncoderBlock(nn.Module):
    """Tokens read each other, then each one is changed by itself; both are added to the input.

    Layer norm stands before each part (pre-norm). Used in lecture 14.

    Example:
        >>> EncoderBlock(8, heads=2, mlp_dim=16)(torch.zeros(1, 5, 8)).shape
        torch.Size([1, 5, 8])
    """

    def __init__(self, dim: int, heads: int, mlp_dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(dim, eps=EPSILON)
        self.self_attention = SelfAttention(dim, heads)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = nn.LayerNorm(dim, eps=EPSILON)
        first, last = nn.Linear(dim, mlp_dim), nn.Linear(mlp_dim, dim)
        self.mlp = nn.Sequential(first, nn.GELU(), nn.Dropout(dropout), last, nn.Dropout(dropout))
        for layer in (first, last):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.normal_(layer.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, T, D)."""
        between = x + self.dropout(self.self_attention(self.ln_1(x)))
        return between + self.mlp(self.ln_2(between))


class Encoder(nn.Module):
    """The position embeddings are added, then the blocks follow, and a last layer norm."""

    def __init__(self, tokens: int, blocks: list[EncoderBlock], dim: int, dropout: float) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.empty(1, tokens, dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        names = (f"encoder_layer_{place}" for place in range(len(blocks)))
        self.layers = nn.Sequential(OrderedDict(zip(names, blocks, strict=True)))
        self.ln = nn.LayerNorm(dim, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) to (N, T, D)."""
        return self.ln(self.layers(self.dropout(x + self.pos_embedding)))


@asked_for("14.5")
class VisionTransformer(nn.Module):
    """Dosovitskiy et al. 2021; the names of arguments and parameters are torchvision's.

    Input: float (N, in_channels, image_size, image_size). Output: logits (N, num_classes).
    Used in lecture 14.

    Args:
        image_size: pixels of a side.
        patch_size: pixels of a side of a patch; it divides ``image_size``.
        num_layers: how many blocks.
        num_heads: of the attention in each block; it divides ``hidden_dim``.
        hidden_dim: D, the numbers of a token.
        mlp_dim: of the layer inside each block.
        dropout: share of numbers that are dropped in training.
        num_classes: how many logits.
        in_channels: of the images.
        pool: what the logits are made of: ``"class"``, the class token; ``"mean"``, the mean of the
            patches (the class token is there, too, so that the parameters are the same).

    Raises:
        ValueError: the patches do not fill the image, or ``pool`` is unknown.

    Example:
        >>> with torch.device("meta"):  # ViT-B/16: shapes without numbers
        ...     model = VisionTransformer(224, 16, 12, 12, 768, 3072)
        >>> sum(parameter.numel() for parameter in model.parameters())
        86567656
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        pool: str = "class",
    ) -> None:
        super().__init__()
        if image_size % patch_size:
            raise ValueError(f"patches of {patch_size} pixels do not fill {image_size} pixels")
        if pool not in ("class", "mean"):
            raise ValueError(f"unknown pool {pool!r}: choose 'class' or 'mean'")
        self.pool = pool
        self.conv_proj = nn.Conv2d(in_channels, hidden_dim, patch_size, stride=patch_size)
        self.class_token = nn.Parameter(torch.zeros(1, 1, hidden_dim))
        sizes = (hidden_dim, num_heads, mlp_dim, dropout)
        blocks = [EncoderBlock(*sizes) for _ in range(num_layers)]
        self.encoder = Encoder((image_size // patch_size) ** 2 + 1, blocks, hidden_dim, dropout)
        self.heads = nn.Sequential(OrderedDict(head=nn.Linear(hidden_dim, num_classes)))
        nn.init.trunc_normal_(self.conv_proj.weight, std=(in_channels * patch_size**2) ** -0.5)

    def tokens(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to (N, 1 + patches, D): the class token, then the patches."""
        patches = self.conv_proj(images).flatten(2).mT
        count = images.shape[0]  # `len` would fix the size of the batch in an export
        return torch.cat([self.class_token.expand(count, -1, -1), patches], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, num_classes) of images (N, C, H, W)."""
        x = self.encoder(self.tokens(images))
        return self.heads(x[:, 0] if self.pool == "class" else x[:, 1:].mean(dim=1))

    def attention_maps(self, images: Tensor) -> Tensor:
        """Return the attention weights of all blocks: (blocks, N, heads, T, T)."""
        x, maps = self.tokens(images) + self.encoder.pos_embedding, []
        for block in self.encoder.layers.children():
            assert isinstance(block, EncoderBlock)
            maps.append(block.self_attention.weights(block.ln_1(x)))
            x = block(x)
        return torch.stack(maps)


def small_vit(num_classes: int = 10, **options: Any) -> VisionTransformer:
    """Return a vision transformer for 32x32 images: 64 patches of 4x4, four blocks of width 64.

    ``options`` change the arguments of `VisionTransformer`. Used in lectures 14 and 15.

    Example:
        >>> small_vit()(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    design: dict[str, Any] = dict(
        image_size=32, patch_size=4, num_layers=4, num_heads=4, hidden_dim=64, mlp_dim=128
    )
    return VisionTransformer(**design | options, num_classes=num_classes)
