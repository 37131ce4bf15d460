"""The head of a student: encoder frames of a stretch of audio in, one unit vector in the teacher's space out.

Conventions: hidden_states are (batch, n_frames, encoder_dim) with a mask (batch, n_frames), True where there is sound;
STACK frames make one token, so tokens are (batch, length, model_dim) with length = n_frames / STACK.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medalign.core.errors import CheckpointError
from medalign.models.kernel_head import Embeddings, Frames, KernelHead, Mask

# Stretches are padded to a multiple of this. Kernels are compiled and kept by shape: with a length of its own for every
# batch, a training run on a CPU took 20 MB more with each step.
PAD_FRAMES = 40
LARGEST = {"encoder_dim": 16384, "embed_dim": 16384, "model_dim": 16384, "n_layers": 64, "n_heads": 256, "n_pools": 64}
MAX_LANDMARKS = 4096
Tokens = Float[Tensor, "batch length model_dim"]
TokenMask = Bool[Tensor, "batch length"]
STACK = 4  # encoder frames joined into one token: Whisper's 50 a second become 12.5, about one a syllable


@dataclass(frozen=True)
class HeadConfig:
    encoder_dim: int  # width of the encoder's hidden states
    embed_dim: int  # width of the teacher's space
    model_dim: int = 320
    n_layers: int = 2
    n_heads: int = 5
    n_pools: int = 4  # attention pools, each free to look at another part of the stretch
    dropout: float = 0.1  # in the MLPs
    n_landmarks: int = 0  # recordings that a `KernelHead` compares with, in `model_dim` components; 0: an `AlignmentHead`
    n_parts: int = 1  # layers beside one another in the hidden states, which a `KernelHead` compares one by one

    def __post_init__(self) -> None:
        """Raises CheckpointError: a size is out of bounds, or the heads don't divide the width."""
        for name, most in LARGEST.items():
            if not 1 <= (value := getattr(self, name)) <= most:
                raise CheckpointError(f"{name} {value} of a student's head is out of bounds; give 1 to {most}")
        if not 0 <= self.n_landmarks <= MAX_LANDMARKS or self.n_parts < 1 or self.encoder_dim % self.n_parts:
            raise CheckpointError(
                f"a student's head can't compare {self.n_parts} parts of {self.encoder_dim} with {self.n_landmarks} landmarks; "
                f"the parts must divide the width, and landmarks are 0 to {MAX_LANDMARKS}"
            )
        if self.n_landmarks and self.model_dim > min(self.n_landmarks, self.embed_dim):
            raise CheckpointError(
                f"{self.n_landmarks} landmarks in a space {self.embed_dim} wide have no {self.model_dim} components; "
                "lower model_dim"
            )
        if self.model_dim % self.n_heads or not 0 <= self.dropout < 1:
            raise CheckpointError(
                f"a student's head can't have width {self.model_dim} with {self.n_heads} attention heads and dropout "
                f"{self.dropout}; the heads must divide the width, and dropout is at least 0 and below 1"
            )


class _Block(nn.Module):
    """A pre-norm transformer block with padding masked out, after a short convolution that knows the order of frames."""

    def __init__(self, config: HeadConfig):
        super().__init__()
        d = config.model_dim
        self.n_heads = config.n_heads
        self.conv_norm, self.attention_norm, self.mlp_norm = nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(d)
        self.conv = nn.Conv1d(d, d, kernel_size=5, padding=2, groups=d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.mlp = nn.Sequential(nn.Linear(d, 3 * d), nn.GELU(), nn.Dropout(config.dropout), nn.Linear(3 * d, d))

    def forward(self, x: Tokens, mask: TokenMask) -> Tokens:
        """`mask` is True where there is sound."""
        batch, length, d = x.shape
        # Padding is zeroed before it is convolved, so that a stretch doesn't depend on its batch.
        x = x + F.gelu(self._convolved(self.conv_norm(x) * mask[..., None]))
        q, k, v = self.qkv(self.attention_norm(x)).view(batch, length, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        # Spelt out: at these lengths, a CPU takes seven times as long for the backward pass of torch's fused attention.
        scores = (q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5
        attended = scores.masked_fill(~mask[:, None, None, :], -torch.inf).softmax(-1).to(v.dtype) @ v
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, d))
        return x + self.mlp(self.mlp_norm(x))

    def _convolved(self, x: Tensor) -> Tensor:
        """`conv` over (batch, length, d), as a sum of shifted products: on a CPU a training step takes a fifth less time."""
        length, size = x.shape[1], self.conv.kernel_size[0]
        padded = F.pad(x, (0, 0, size // 2, size // 2))
        shifted = [padded[:, i : i + length] * self.conv.weight[:, 0, i] for i in range(size)]
        return reduce(torch.add, shifted) + cast(Tensor, self.conv.bias)


class AlignmentHead(nn.Module):
    """Stacked frames, a small transformer, attention pools, and a projection into the teacher's space."""

    def __init__(self, config: HeadConfig):
        super().__init__()
        self.config = config
        self.frame_norm = nn.LayerNorm(config.encoder_dim)
        self.stack = nn.Linear(STACK * config.encoder_dim, config.model_dim)
        self.mask_token = nn.Parameter(torch.zeros(config.model_dim))  # stands in for tokens hidden from the head
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(config.model_dim)
        self.pool_scores = nn.Linear(config.model_dim, config.n_pools)
        self.project = nn.Linear(config.n_pools * config.model_dim, config.embed_dim)

    def forward(self, hidden_states: Frames, mask: Mask) -> Embeddings:
        """One unit vector per stretch."""
        return self.pool(*self.tokens(hidden_states, mask))

    def tokens(self, hidden_states: Frames, mask: Mask, hidden: TokenMask | None = None) -> tuple[Tokens, TokenMask]:
        """Contextual tokens and their mask.

        Args:
            hidden: True for tokens the head may not see; for masked reconstruction.
        """
        batch, n_frames, _ = hidden_states.shape
        x = self.frame_norm(hidden_states) * mask[..., None]
        x = self.stack(x.reshape(batch, n_frames // STACK, -1))
        if hidden is not None:
            x = torch.where(hidden[..., None], self.mask_token.to(x.dtype), x)
        token_mask = mask.view(batch, -1, STACK).any(2)
        for block in self.blocks:
            x = block(x, token_mask)
        return self.norm(x), token_mask

    def pool(self, tokens: Tokens, token_mask: TokenMask) -> Embeddings:
        """Attention pooling and projection, to unit length."""
        scores = self.pool_scores(tokens).masked_fill(~token_mask[..., None], -torch.inf)  # (batch, length, n_pools)
        pooled = torch.einsum("blp,bld->bpd", scores.softmax(1), tokens).flatten(1)
        return F.normalize(self.project(pooled), dim=-1)


def make_head(config: HeadConfig) -> AlignmentHead | KernelHead:
    if not config.n_landmarks:
        return AlignmentHead(config)
    sizes = {"n_parts": config.n_parts, "n_landmarks": config.n_landmarks, "n_components": config.model_dim}
    return KernelHead(config.encoder_dim, config.embed_dim, **sizes)


class HeadEnsemble(nn.Module):
    """Heads trained apart on one frozen encoder: the weighted mean of their embeddings, at unit length.

    The encoder, most of the cost, still runs once. Source: Lakshminarayanan et al. 2017, Simple and Scalable Predictive
    Uncertainty Estimation using Deep Ensembles (arXiv 1612.01474); means of unit vectors are ours.
    """

    def __init__(self, config: HeadConfig, n_members: int, weights: Sequence[float] = ()):
        """`weights`, one a member, say how much each counts; none given, all alike."""
        super().__init__()
        self.config = config
        self.weights = tuple(weights) or (1.0,) * n_members
        self.members = nn.ModuleList(make_head(config) for _ in range(n_members))

    def forward(self, hidden_states: Frames, mask: Mask) -> Embeddings:
        """One unit vector per stretch."""
        embeddings = [w * member(hidden_states, mask) for w, member in zip(self.weights, self.members, strict=True)]
        return F.normalize(torch.stack(embeddings).sum(0), dim=-1)


def padded_length(n_frames: int) -> int:
    """The next multiple of PAD_FRAMES, which is one of STACK, too."""
    return math.ceil(n_frames / PAD_FRAMES) * PAD_FRAMES


def pad_stretches(stretches: Sequence[Float[Tensor, "_ encoder_dim"]]) -> tuple[Frames, Mask]:
    """Stretches of frames as one batch, a multiple of PAD_FRAMES long, and its mask."""
    n_frames = padded_length(max(map(len, stretches)))
    batch = stretches[0].new_zeros(len(stretches), n_frames, stretches[0].shape[1], dtype=torch.float32)
    mask = torch.zeros(len(stretches), n_frames, dtype=torch.bool, device=batch.device)
    for i, stretch in enumerate(stretches):
        batch[i, : len(stretch)], mask[i, : len(stretch)] = stretch, True
    return batch, mask
