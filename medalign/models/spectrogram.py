"""A compact network over a log-mel spectrogram in the band where a kind of body sound lies, to be trained from scratch.

Whisper hears a heart in 27 of its 80 mel bands and in 30 s of which 10 s hold sound. Here the band, the rate and the window
are those of the sound, a second costs 1/50 of what it costs Whisper tiny, and nothing is padded.

Source: blocks after ConvNeXt (Liu et al. 2022, arXiv 2201.03545), over time only; frequencies are folded into channels after
two convolutions.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from scipy.signal import resample_poly
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import CheckpointError

STRIDE = 2  # of the network over time
DYNAMIC_RANGE_DB = 60.0  # what lies further below the loudest is silence
FINEST_HZ = 4  # bins of a spectrum are at least so close, so that no mel band falls between two
LARGEST = {"n_mels": 256, "stem": 128, "width": 512, "n_blocks": 24}


@dataclass(frozen=True)
class SpectrogramConfig:
    rate_hz: int  # that the sound is brought to first; a divisor of 16 kHz
    band_hz: tuple[float, float]
    n_mels: int  # a multiple of 4
    window_s: float = 0.064
    hop_s: float = 0.02
    stem: int = 32  # channels of the convolutions over time and frequency
    width: int = 128  # of the hidden states
    n_blocks: int = 4

    def __post_init__(self) -> None:
        """Raises CheckpointError: a size is out of bounds."""
        lo, hi = self.band_hz
        fits = all(1 <= getattr(self, name) <= most for name, most in LARGEST.items()) and not self.n_mels % 4
        is_band = self.rate_hz > 0 and not SAMPLE_RATE_HZ % self.rate_hz and 0 < lo < hi <= self.rate_hz / 2
        if not (fits and is_band and 0 < self.hop_s <= self.window_s <= 1 and (self.hop_s * self.rate_hz).is_integer()):
            raise CheckpointError(f"{self} can't be; the rate divides 16 kHz, the band lies below half of it, n_mels is 4 k")

    @property
    def frames_per_s(self) -> float:
        return 1 / (STRIDE * self.hop_s)


# Bands: a heart and its murmurs, 25-800 Hz; crackles and wheezes, 60-2500 Hz; a cough has noise all the way up.
PRESETS = {
    "spectrogram-heart": SpectrogramConfig(rate_hz=2000, band_hz=(25.0, 800.0), n_mels=32),
    "spectrogram-lung": SpectrogramConfig(rate_hz=8000, band_hz=(60.0, 2500.0), n_mels=64),
    "spectrogram-cough": SpectrogramConfig(rate_hz=16_000, band_hz=(100.0, 8000.0), n_mels=64, window_s=0.032),
}


def log_mel(waveform: Float[np.ndarray, " samples"], config: SpectrogramConfig) -> Float[Tensor, "frames mels"]:
    """Of a waveform at 16 kHz: STRIDE frames for each hidden state; mean 0 and sd 1 over the whole sound, so no loudness.

    A sound without any change in it, such as silence, gives zeros.
    """
    n_frames = STRIDE * max(1, math.ceil(len(waveform) / SAMPLE_RATE_HZ * config.frames_per_s))
    if config.rate_hz != SAMPLE_RATE_HZ:
        waveform = resample_poly(waveform, 1, SAMPLE_RATE_HZ // config.rate_hz)
    n_window, hop = round(config.window_s * config.rate_hz), round(config.hop_s * config.rate_hz)
    n_fft = max(n_window, 2 ** math.ceil(math.log2(config.rate_hz / FINEST_HZ)))
    before = (n_fft - hop) // 2
    padded = np.zeros((n_frames - 1) * hop + n_fft, np.float32)
    filled = waveform[: len(padded) - before]
    padded[before : before + len(filled)] = filled
    samples, window = torch.from_numpy(padded), torch.hann_window(n_window)
    spectrum = torch.stft(samples, n_fft, hop, n_window, window, center=False, return_complex=True)
    power = spectrum.abs().square().T @ _filters(config, n_fft)
    level = 10 * (power + 1e-12).log10()
    level = level.clamp(min=level.max() - DYNAMIC_RANGE_DB)
    return (level - level.mean()) / level.std(correction=0).clamp(min=1e-3)


@cache
def _filters(config: SpectrogramConfig, n_fft: int) -> Float[Tensor, "bins mels"]:
    filters = mel_filter_bank(n_fft // 2 + 1, config.n_mels, *config.band_hz, config.rate_hz, mel_scale="htk")
    return torch.from_numpy(filters.astype(np.float32))


class _Block(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * width, width))

    def forward(self, x: Float[Tensor, "batch frames width"], mask: Float[Tensor, "batch frames 1"]) -> Tensor:
        # What lies behind the end is zeroed before each convolution, so that a row doesn't depend on its batch.
        return x + self.mlp(self.norm(self.depthwise((x * mask).mT).mT))


class SpectrogramNetwork(nn.Module):
    """Log-mel to hidden states."""

    def __init__(self, config: SpectrogramConfig):
        super().__init__()
        self.conv1 = nn.Conv2d(1, config.stem // 2, 3, stride=(1, 2), padding=1)
        self.conv2 = nn.Conv2d(config.stem // 2, config.stem, 3, stride=(STRIDE, 2), padding=1)
        self.project = nn.Linear(config.stem * config.n_mels // 4, config.width)
        self.blocks = nn.ModuleList(_Block(config.width) for _ in range(config.n_blocks))
        self.norm = nn.LayerNorm(config.width)

    def forward(
        self, log_mel: Float[Tensor, "batch double mels"], mask: Bool[Tensor, "batch frames"]
    ) -> list[Float[Tensor, "batch frames width"]]:
        """What goes into the blocks, and what comes out of each; the last one normalised.

        Args:
            mask: True where there is sound; one for STRIDE frames of `log_mel`, which are 0 behind it.
        """
        is_sound = mask.to(log_mel.dtype)
        x = F.gelu(self.conv1(log_mel[:, None])) * is_sound.repeat_interleave(STRIDE, 1)[:, None, :, None]
        x = F.gelu(self.conv2(x))  # (batch, stem, frames, mels / 4)
        layers = [self.project(x.permute(0, 2, 1, 3).flatten(2))]
        for block in self.blocks:
            layers.append(block(layers[-1], is_sound[..., None]))
        return [*layers[:-1], self.norm(layers[-1])]


def untrained_network(config: SpectrogramConfig) -> SpectrogramNetwork:
    """Always the same random weights, so that an encoder which has learnt nothing can be compared with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return SpectrogramNetwork(config)
