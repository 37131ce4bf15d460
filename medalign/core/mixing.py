"""From decoded frames of any rate, in one or two channels, to one channel at 16 kHz, and what that shows of the recording."""

from collections.abc import Iterable, Iterator

import av
import numpy as np

from medalign.core.errors import AudioError
from medalign.core.recording import POWER_FRAMES_PER_S, SAMPLE_RATE_HZ, Recording

MAX_CHANNELS = 2
SOURCE_RATES_HZ = (1_000, 768_000)
DUAL_MONO = 1e-3  # channels whose powers differ by less than this share, everywhere, hold the same
INVERTED = -0.5  # correlation of two channels from which on their mean loses more than half of the voice
CLIPPED = 0.999  # of full scale
ABSURD = 1e6  # of full scale: no sound, but damaged or wrongly read floats


def sample_frames(columns: np.ndarray, sample_rate_hz: int) -> Iterator[av.AudioFrame]:
    """Samples (n, n_channels) in pieces of a second, as a decoder gives them."""
    layout = "mono" if columns.shape[1] == 1 else "stereo"
    for first in range(0, len(columns), int(sample_rate_hz)):
        piece = np.ascontiguousarray(columns[first : first + int(sample_rate_hz)].T)
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
        frame.sample_rate = int(sample_rate_hz)
        yield frame


def check_source(name: str, sample_rate_hz: int, channels: int) -> None:
    """Raises AudioError for a rate that no recorder has, or more than two channels."""
    lowest, highest = SOURCE_RATES_HZ
    if not lowest <= sample_rate_hz <= highest:
        raise AudioError(f"'{name}' has {sample_rate_hz} samples a second; give a rate between {lowest} and {highest}")
    if channels > MAX_CHANNELS:
        raise AudioError(f"'{name}' has {channels} channels, expected one or two; mix it down to mono or stereo")


def too_long(name: str, lasts: str, max_duration_s: float) -> AudioError:
    return AudioError(f"'{name}' {lasts}, the limit is {max_duration_s / 60:.0f} minutes; cut it into parts")


def mix_down(decoded: Iterable[av.AudioFrame], name: str, max_duration_s: float, *, turn_over: bool = False) -> Recording:
    """The whole track as one channel, the mean of both; stops once the limit is passed: some headers don't tell.

    Rate, channels and sample format may change on the way, as where recordings were joined.

    Args:
        turn_over: the right channel, before it is mixed.
    """
    mix, position_s, setup, resampler, source = _Mix(name, turn_over), 0.0, None, None, (0, 0)
    for frame in decoded:
        if (now := (frame.format.name, frame.sample_rate, frame.layout.name)) != setup:
            check_source(name, frame.sample_rate, frame.layout.nb_channels)
            if resampler is None:
                source = frame.sample_rate, frame.layout.nb_channels
            else:
                mix.add(resampler.resample(None))
            # Channels are mixed here: FFmpeg's own downmix is 3 dB louder and clips.
            resampler, setup = av.AudioResampler(format="fltp", rate=SAMPLE_RATE_HZ), now
        position_s += frame.samples / frame.sample_rate
        if position_s > max_duration_s:  # before it is resampled: one frame may become thousands of times larger
            raise too_long(name, f"lasts more than {max_duration_s / 60:.0f} minutes", max_duration_s)
        frame.pts = None  # broken time stamps must not add or drop samples
        assert resampler is not None
        mix.add(resampler.resample(frame))
    if resampler is not None:
        mix.add(resampler.resample(None))
    return mix.recording(*source)


class _Mix:
    """Blocks of one or two channels as they come in: an hour of one channel is small where an hour of stereo is not."""

    def __init__(self, name: str, turn_over: bool) -> None:
        self._name, self._turn_over = name, turn_over
        self._waiting: list[np.ndarray] = []
        self._n_waiting = self._n_samples = 0
        self._pieces: list[np.ndarray] = []
        self._power: list[np.ndarray] = []
        self._rest = np.zeros((2, 0), np.float32)
        self._n_clipped = np.zeros(2, int)
        self._covariance = np.zeros((2, 2))

    def add(self, frames: Iterable[av.AudioFrame]) -> None:
        for frame in frames:
            channels = frame.to_ndarray()
            if self._turn_over:
                channels[1:] *= -1
            self._waiting.append(np.broadcast_to(channels, (2, channels.shape[1])))
            self._n_waiting += channels.shape[1]
        if self._n_waiting >= SAMPLE_RATE_HZ:  # many small arrays at once: each call of numpy costs
            self._take()

    def _take(self) -> None:
        if not self._waiting:
            return
        channels = np.concatenate(self._waiting, 1)
        self._waiting, self._n_waiting = [], 0
        magnitude = np.abs(channels)
        usable = magnitude <= ABSURD  # so NaN is not
        if not usable.all():
            at_s = (self._n_samples + int(np.flatnonzero(~usable.all(0))[0])) / SAMPLE_RATE_HZ
            what = f"'{self._name}' holds samples that are not numbers (NaN, infinite, absurd)"
            raise AudioError(f"{what} near {at_s:.1f} s; export it again")
        self._pieces.append(np.clip(channels.mean(0), -1.0, 1.0))
        self._n_samples += channels.shape[1]
        self._n_clipped += (magnitude >= CLIPPED).sum(1)
        self._measure(np.concatenate([self._rest, channels], 1))

    def _measure(self, samples: np.ndarray) -> None:
        size = SAMPLE_RATE_HZ // POWER_FRAMES_PER_S
        n = samples.shape[1] // size
        frames = samples[:, : n * size].reshape(2, n, size)
        self._power.append((frames**2).mean(2))
        swing = (frames - frames.mean(2, keepdims=True)).reshape(2, -1)  # neither a constant nor rumble tells about a voice
        self._covariance += swing @ swing.T
        self._rest = samples[:, n * size :]

    def recording(self, source_sample_rate_hz: int, source_channels: int) -> Recording:
        self._take()
        if not self._n_samples:
            return Recording(self._name, np.zeros(0, np.float32), source_sample_rate_hz, source_channels)
        waveform = np.concatenate(self._pieces)
        self._pieces.clear()
        power = np.concatenate(self._power, 1)
        (left, both), (_, right) = self._covariance
        is_inverted = bool(both < INVERTED * np.sqrt(left * right))
        is_same = is_inverted or np.allclose(power[0], power[1], rtol=DUAL_MONO, atol=1e-9)
        clipped_share = float(self._n_clipped.max() / self._n_samples)
        facts = None if is_same else power, clipped_share, is_inverted
        return Recording(self._name, waveform, source_sample_rate_hz, source_channels, *facts)
