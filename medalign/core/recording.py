"""A decoded recording: its sound, and what was noticed about it."""

from dataclasses import dataclass

import numpy as np

SAMPLE_RATE_HZ = 16_000
POWER_FRAMES_PER_S = 100


@dataclass(frozen=True)
class Recording:
    """A decoded recording."""

    name: str  # file name without its folder
    waveform: np.ndarray  # float32 (n_samples,), mono, 16 kHz, in [-1, 1]
    source_sample_rate_hz: int  # where it begins, as the number of channels
    source_channels: int
    # (2, n_frames) mean square of each channel of a stereo source; None for mono, also for the same sound on two channels.
    channel_power: np.ndarray | None = None
    clipped_share: float = 0.0  # of the samples, in the channel that has more of them
    is_inverted: bool = False  # both channels held the same sound with opposite signs; one was turned over before the mean

    @property
    def duration_s(self) -> float:
        return len(self.waveform) / SAMPLE_RATE_HZ
