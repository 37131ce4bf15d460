"""A decoded recording: its sound, and what was noticed about it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

SAMPLE_RATE_HZ = 16_000
POWER_FRAMES_PER_S = 100
SILENT_BELOW = 2e-4  # of full scale, -74 dB: a muted microphone, not a quiet room, nor speech that can still be raised
# Voice-activity detection hears nothing of speech 50 dB below what is usual, and all of it down to 40 dB below.
QUIET_BELOW = 0.005  # of full scale
RAISED_TO = 0.125  # where speech usually is
STEP = 8  # samples; more of them tell no more about the level
LOUD_S = 0.25  # what is louder than all but this much of a recording may be a door


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

    @cached_property
    def is_quiet(self) -> bool:
        """Far below the level of usual speech, but not silent."""
        return self._level < QUIET_BELOW and bool(np.abs(self.waveform).max(initial=0.0) >= SILENT_BELOW)

    @cached_property
    def levelled(self) -> np.ndarray:
        """The waveform that models hear: raised to the level of usual speech where it is very quiet, else as it is."""
        if not self.is_quiet:
            return self.waveform
        return np.clip(self.waveform * np.float32(RAISED_TO / max(self._level, SILENT_BELOW / 10)), -1.0, 1.0)

    @cached_property
    def _level(self) -> float:
        """The magnitude that is passed for `LOUD_S` in all."""
        magnitudes = np.abs(self.waveform[::STEP])
        n_louder = min(round(LOUD_S * SAMPLE_RATE_HZ / STEP), len(magnitudes) // 10)
        return float(np.partition(magnitudes, -1 - n_louder)[-1 - n_louder]) if len(magnitudes) else 0.0
