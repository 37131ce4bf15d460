"""Who is speaking, as a vector: the GE2E speaker encoder, trained on thousands of voices, run on stretches of a recording.

Weights and mel settings are those of Resemblyzer 0.1.4 (Resemble AI, Apache-2.0), converted to safetensors in half
precision; training data were LibriSpeech, VoxCeleb1 and VoxCeleb2.

Source: Wan et al. 2018, Generalized End-to-End Loss for Speaker Verification (arXiv 1710.10467);
https://github.com/resemble-ai/Resemblyzer.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence
from transformers.audio_utils import mel_filter_bank

from medalign.core.assets import CHECKPOINTS
from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.models.pretrained import load_state, read_state

CHECKPOINT = CHECKPOINTS / "voice-encoder" / "model.safetensors"
REMEDY = "install MedAlign again"
N_FFT, HOP, N_MELS = 400, 160, 40  # 25 ms and 10 ms, linear mel: no logarithm
EMBED_DIM = 256
RMS = 10 ** (-30 / 20)  # quieter stretches are brought up to this level
BATCH = 64
MAX_S = 5.0  # of each stretch; more tells little more
# Steady noise is taken off the power, since two voices in the same noise are alike: so much of what the quietest tenth of a
# recording sounds like, heard in a dozen places, and never more than all but a fiftieth of a channel.
NOISE_FACTOR, QUIET_SHARE, MIN_LEFT = 1.5, 0.1, 0.02
N_PLACES = 12


class VoiceEncoder(nn.Module):
    """Three LSTM layers over 40 mel channels; the last state, projected."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(N_MELS, EMBED_DIM, num_layers=3, batch_first=True)
        self.linear = nn.Linear(EMBED_DIM, EMBED_DIM)

    @classmethod
    @cache
    def load(cls) -> "VoiceEncoder":
        """The bundled weights, read once. Raises CheckpointError: the file is missing or damaged."""
        state = read_state(CHECKPOINT, remedy=REMEDY)
        encoder = cls()
        load_state(encoder, {name: tensor.float() for name, tensor in state.items()}, str(CHECKPOINT), remedy=REMEDY)
        return encoder.eval()

    def forward(self, mel: Sequence[Float[Tensor, "_ mels"]]) -> Float[Tensor, "n dim"]:
        """Unit vectors without negative numbers, (n, EMBED_DIM)."""
        _, (hidden, _) = self.lstm(pack_sequence(list(mel), enforce_sorted=False))
        return F.normalize(F.relu(self.linear(hidden[-1])), dim=-1)

    @torch.inference_mode()
    def embed(
        self, waveform: Float[np.ndarray, " samples"], stretches_s: Sequence[tuple[float, float]]
    ) -> Float[np.ndarray, "n dim"]:
        """One voice vector per stretch, (n, EMBED_DIM); stretches longer than MAX_S are heard in their middle."""
        if not stretches_s:
            return np.zeros((0, EMBED_DIM), np.float32)
        mel, noise = [], _noise(waveform)
        for start_s, end_s in stretches_s:
            middle_s, half_s = (start_s + end_s) / 2, min(end_s - start_s, MAX_S) / 2
            first, last = (round((middle_s + side) * SAMPLE_RATE_HZ) for side in (-half_s, half_s))
            samples = waveform[max(0, first) : last]
            power, level = _power(samples), float(np.mean(samples**2)) if len(samples) else 1.0
            gain = max(1.0, RMS**2 / max(level, 1e-12))  # brings a quiet stretch up to the level that the encoder knows
            mel.append(torch.maximum(power - NOISE_FACTOR * noise, MIN_LEFT * power) * gain)
        return np.concatenate([self(mel[i : i + BATCH]).numpy() for i in range(0, len(mel), BATCH)])


def _noise(waveform: Float[np.ndarray, " samples"]) -> Float[Tensor, " mels"]:
    """Mean power of the quietest frames."""
    n = round(MAX_S * SAMPLE_RATE_HZ)
    starts = np.linspace(0, max(0, len(waveform) - n), N_PLACES).astype(int)
    power = torch.cat([_power(waveform[start : start + n]) for start in starts])
    loudness = power.sum(1)
    return power[loudness <= loudness.quantile(QUIET_SHARE)].mean(0)


def _power(waveform: Float[np.ndarray, " samples"]) -> Float[Tensor, "frames mels"]:
    """Power in N_MELS channels."""
    samples = torch.from_numpy(np.ascontiguousarray(waveform, np.float32))
    samples = F.pad(samples, (0, max(0, N_FFT - len(samples))))
    window = torch.hann_window(N_FFT)
    power = torch.stft(samples, N_FFT, HOP, window=window, return_complex=True, pad_mode="constant").abs().square()
    return (_filters().T @ power).T.contiguous()


@cache
def _filters() -> Tensor:
    """(n_bins, N_MELS), as librosa makes them."""
    bank = mel_filter_bank(N_FFT // 2 + 1, N_MELS, 0.0, SAMPLE_RATE_HZ / 2, SAMPLE_RATE_HZ, norm="slaney", mel_scale="slaney")
    return torch.from_numpy(bank).float()
