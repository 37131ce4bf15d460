"""What a frozen encoder knows of a whole sound, as one vector: statistics over time of its hidden states.

Body sounds lie low: most of a heart lies below 400 Hz, where an encoder made for speech has few mel bands. Played `speed`
times as fast, the same sound lies `speed` times as high and is as much shorter, which costs less, too.

Conventions: waveforms are float32 (n_samples,) at 16 kHz; a readout is the last step before a probe, never a student.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from scipy.signal import butter, resample_poly, sosfiltfilt

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import DataError
from medalign.models.audio_encoder import AudioEncoder

Statistic = Literal["mean", "sd"]
SPEEDS = (0.1, 16.0)
MAX_DENOMINATOR = 64  # of the ratio that a waveform is resampled by


@dataclass(frozen=True)
class Readout:
    layers: Literal["all", "last"] = "all"  # hidden states of every layer beside one another, or those of the last
    statistics: tuple[Statistic, ...] = ("mean", "sd")  # over the frames that hold sound
    speed: float = 1.0  # of playing; 4 lifts a heart's 25-400 Hz to 100-1600 Hz
    band_hz: tuple[float, float] | None = None  # kept of the sound as recorded, before it is played faster
    pad: bool = False  # let the encoder hear silence up to its full length, as students do

    def __post_init__(self) -> None:
        """Raises DataError: a choice that is none."""
        if self.layers not in ("all", "last") or not self.statistics or set(self.statistics) - {"mean", "sd"}:
            raise DataError(f"a readout of layers '{self.layers}', statistics {self.statistics}: give all or last; mean, sd")
        if not SPEEDS[0] <= self.speed <= SPEEDS[1]:
            raise DataError(f"a sound can't be played {self.speed:g} times as fast; give {SPEEDS[0]:g} to {SPEEDS[1]:g}")
        if self.band_hz is not None and not 0 < self.band_hz[0] < self.band_hz[1] <= SAMPLE_RATE_HZ / 2:
            raise DataError(f"{self.band_hz[0]:g}-{self.band_hz[1]:g} Hz is no band below {SAMPLE_RATE_HZ // 2} Hz")

    def heard(self, waveform: Float[np.ndarray, " samples"]) -> Float[np.ndarray, " fewer_samples"]:
        """What the encoder gets to hear: the band of the sound, faster; float32 at 16 kHz."""
        if self.band_hz is not None:
            lo, hi = self.band_hz
            band = (lo, hi) if hi < SAMPLE_RATE_HZ / 2 else lo
            sos = butter(4, band, "bandpass" if hi < SAMPLE_RATE_HZ / 2 else "highpass", fs=SAMPLE_RATE_HZ, output="sos")
            waveform = sosfiltfilt(sos, waveform, padlen=min(3 * (2 * len(sos) + 1), max(0, len(waveform) - 1)))
        if self.speed != 1:
            ratio = Fraction(1 / self.speed).limit_denominator(MAX_DENOMINATOR)
            waveform = resample_poly(waveform, ratio.numerator, ratio.denominator)
        return waveform.astype(np.float32)


EVERYTHING = Readout()


@torch.inference_mode()
def embed_readout(
    encoder: AudioEncoder, waveforms: Sequence[Float[np.ndarray, " _"]], readout: Readout = EVERYTHING
) -> Float[np.ndarray, "n dim"]:
    """One float32 row per waveform: for each layer from the lowest on, its statistics one after the other.

    A row depends on its waveform alone. Sounds longer than the encoder takes at once are cut into chunks, and the
    statistics run over the frames of all of them.

    Raises:
        DataError: a waveform without a sample.
    """
    rows = []
    for i, waveform in enumerate(waveforms):
        if not len(waveform):
            raise DataError(f"waveform {i} has no samples, so there is nothing to read out; remove it")
        heard = readout.heard(waveform)
        n_chunk = int(encoder.chunk_s * SAMPLE_RATE_HZ)
        chunks = [heard[start : start + n_chunk] for start in range(0, len(heard), n_chunk)]
        layers = torch.cat([encoder.hidden_layers(chunk, pad=readout.pad).float() for chunk in chunks], dim=1)
        layers = layers if readout.layers == "all" else layers[-1:]
        statistics = {"mean": layers.mean(1), "sd": layers.std(1, correction=0)}  # (n_layers, dim) each
        rows.append(torch.cat([statistics[name] for name in readout.statistics], dim=1).flatten().cpu().numpy())
    return np.stack(rows) if rows else np.zeros((0, 0), np.float32)
