"""OPERA-GT, the student of the AcuLa paper: a small vision transformer over log-mel patches of 8.19 s of breathing or coughing.

Its weights have terms of their own: they are read from a file that the user has, and never fetched.

Source: evelyn0414/OPERA@1254549 src/model/models_mae.py, the encoder of `mae_vit_small`, and src/util.py. The decoder, for
masked pre-training, is not read.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

from medalign.core.audio import SAMPLE_RATE_HZ

N_FRAMES, N_MELS, N_FFT, HOP = 256, 64, 1024, 512
PATCH = 4  # frames by mel bands
WIDTH, DEPTH, N_HEADS, EPS = 384, 12, 6, 1e-6
LARGEST_DB = 80.0  # below the loudest
UNREAD = ("decoder_", "mask_token")  # beginnings of the names of tensors that only pre-training needs


def log_mel(waveform: Float[np.ndarray, " samples"], n_frames: int = N_FRAMES) -> Float[Tensor, "frames mels"]:
    """In dB, from 0, the quietest, to 1, the loudest of the whole; padded with silence to `n_frames`. Silence gives zeros."""
    n_samples = (n_frames - 1) * HOP
    padded = torch.zeros(n_samples)
    padded[: len(waveform)] = torch.from_numpy(waveform[:n_samples].astype(np.float32))
    spectrum = torch.stft(padded, N_FFT, HOP, window=torch.hann_window(N_FFT), pad_mode="constant", return_complex=True)
    filters = mel_filter_bank(N_FFT // 2 + 1, N_MELS, 50.0, 8000.0, SAMPLE_RATE_HZ, norm="slaney", mel_scale="slaney")
    power = spectrum.abs().square().T @ torch.from_numpy(filters.astype(np.float32))
    level = 10 * power.clamp(min=1e-10).log10()
    level = level.clamp(min=level.max() - LARGEST_DB)
    return (level - level.min()) / (level.max() - level.min()).clamp(min=1e-6)


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Float[Tensor, "batch patches width"]) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, N_HEADS, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, eps=EPS), nn.LayerNorm(WIDTH, eps=EPS)
        self.attn = _Attention()
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(WIDTH, 4 * WIDTH), "fc2": nn.Linear(4 * WIDTH, WIDTH)})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


class OperaNetwork(nn.Module):
    """Log-mel to hidden states; the names of its parameters are those of the published file."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, WIDTH, PATCH, PATCH)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        n_patches = N_FRAMES * N_MELS // PATCH**2
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + n_patches, WIDTH))
        self.blocks = nn.ModuleList(_Block() for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH, eps=EPS)

    def forward(self, log_mel: Float[Tensor, "batch frames mels"]) -> list[Float[Tensor, "batch quarter width"]]:
        """What goes into the blocks, and what comes out of each, the last one normalised; means over frequency."""
        patches = self.patch_embed["proj"](log_mel[:, None])  # (batch, WIDTH, frames / 4, mels / 4)
        over_time = patches.shape[2:]
        x = patches.flatten(2).transpose(1, 2)
        cls = (self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1)
        x = torch.cat([cls, x + self.pos_embed[:, 1 : 1 + x.shape[1]]], 1)
        layers = [x]
        for block in self.blocks:
            layers.append(block(layers[-1]))
        layers[-1] = self.norm(layers[-1])
        return [layer[:, 1:].unflatten(1, over_time).mean(2) for layer in layers]
