"""Recordings in: any common format, any rate, mono or stereo, to float32 mono at 16 kHz. The one place that decodes.

PyAV carries FFmpeg's libraries in its wheel, so no ffmpeg program is needed; faster-whisper decodes with it too.
Limits are checked before any model runs, from the container where it says its duration, and again while decoding.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from medalign.core.errors import AudioError

SAMPLE_RATE_HZ = 16_000
MAX_DURATION_S = 60 * 60.0
MIN_DURATION_S = 0.5  # shorter than any word that could be checked
MAX_BYTES = 400 * 1024 * 1024
MAX_CHANNELS = 2
POWER_FRAMES_PER_S = 100
DUAL_MONO = 1e-3  # channels whose powers differ by less than this share, everywhere, hold the same
FORMATS = "wav, mp3, m4a, mp4, ogg, webm or flac"
# A file whose header promises this much more than it holds was cut off; encoders pad by less.
TRUNCATION_TOLERANCE_S = 1.0


@dataclass(frozen=True)
class Recording:
    """A decoded recording."""

    name: str  # file name without its folder
    waveform: np.ndarray  # float32 (n_samples,), mono, 16 kHz, in [-1, 1]
    source_sample_rate_hz: int
    source_channels: int
    # (2, n_frames) mean square of each channel of a stereo source; None for mono, also for the same sound on two channels.
    channel_power: np.ndarray | None = None

    @property
    def duration_s(self) -> float:
        return len(self.waveform) / SAMPLE_RATE_HZ


def load_recording(path: str | os.PathLike, *, max_duration_s: float = MAX_DURATION_S, max_bytes: int = MAX_BYTES) -> Recording:
    """Decode a recording, or say in one sentence why not.

    Raises:
        AudioError: missing, empty, unreadable, not audio, no audio track, more than two channels, damaged or cut off,
            too short, too long, too large, or samples that are not finite numbers.
    """
    path = Path(path)
    name = path.name
    _check_file(path, max_bytes)
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise AudioError(f"'{name}' has no audio track; give a recording with sound ({FORMATS})")
            stream = container.streams.audio[0]
            announced_s = _announced_duration_s(container, stream)
            channels, rate = stream.codec_context.channels, stream.codec_context.sample_rate
            _check_stream(name, announced_s, channels, max_duration_s)
            waveform, channel_power = _decode(container, stream, name, max_duration_s)
    except av.error.FFmpegError as error:
        raise AudioError(
            f"'{name}' can't be read as audio ({error.strerror or error}); give an undamaged {FORMATS} file"
        ) from error
    _check_waveform(name, waveform, announced_s)
    return Recording(name, waveform, rate, channels, channel_power)


def _check_file(path: Path, max_bytes: int) -> None:
    try:
        n_bytes = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AudioError(f"'{path}' does not exist; check the path") from error
    except OSError as error:
        raise AudioError(f"'{path}' can't be read ({error.strerror}); check its permissions and its folder's") from error
    if not path.is_file():
        raise AudioError(f"'{path}' is not a file; give the path of one recording ({FORMATS})")
    if not os.access(path, os.R_OK):
        raise AudioError(f"'{path}' can't be read; check its permissions")
    if n_bytes == 0:
        raise AudioError(f"'{path.name}' is empty (0 bytes); record or upload it again")
    if n_bytes > max_bytes:
        raise AudioError(
            f"'{path.name}' has {n_bytes / 2**20:.0f} MB, the limit is {max_bytes / 2**20:.0f} MB; "
            "cut it into parts or save it as mp3"
        )


def _announced_duration_s(container: av.container.InputContainer, stream: av.AudioStream) -> float | None:
    """What the header says; None where it says nothing, as in a browser's webm."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration is not None else None


def _check_stream(name: str, announced_s: float | None, channels: int, max_duration_s: float) -> None:
    if channels > MAX_CHANNELS:
        raise AudioError(f"'{name}' has {channels} channels, expected one or two; mix it down to mono or stereo")
    if announced_s is not None and announced_s > max_duration_s:
        raise _too_long(name, f"lasts {announced_s / 60:.0f} minutes", max_duration_s)


def _too_long(name: str, lasts: str, max_duration_s: float) -> AudioError:
    return AudioError(f"'{name}' {lasts}, the limit is {max_duration_s / 60:.0f} minutes; cut it into parts")


def _decode(container, stream, name: str, max_duration_s: float) -> tuple[np.ndarray, np.ndarray | None]:
    """The whole track as one channel, and the channels' powers; stops once the limit is passed: some headers don't tell."""
    # Channels are averaged here: FFmpeg's own downmix is 3 dB louder and clips.
    resampler = av.AudioResampler(format="fltp", rate=SAMPLE_RATE_HZ)
    pieces, power, n_samples, position_s = [], _ChannelPower(), 0, 0.0
    try:
        for frame in container.decode(stream):
            if frame.format.name.startswith(("flt", "dbl")) and not np.isfinite(frame.to_ndarray()).all():
                raise AudioError(
                    f"'{name}' holds samples that are not numbers (NaN or infinite) near {position_s:.1f} s; export it again"
                )
            position_s += frame.samples / frame.sample_rate
            frame.pts = None  # broken time stamps must not add or drop samples
            for resampled in resampler.resample(frame):
                channels = resampled.to_ndarray()
                pieces.append(channels.mean(0))
                power.add(channels)
                n_samples += len(pieces[-1])
            if n_samples > max_duration_s * SAMPLE_RATE_HZ:
                raise _too_long(name, f"lasts more than {max_duration_s / 60:.0f} minutes", max_duration_s)
        pieces += [resampled.to_ndarray().mean(0) for resampled in resampler.resample(None)]
    except av.error.InvalidDataError as error:
        raise AudioError(f"'{name}' is damaged after {position_s:.1f} s; give the complete file") from error
    if not pieces:
        return np.zeros(0, np.float32), None
    return np.clip(np.concatenate(pieces), -1.0, 1.0), power.result()


class _ChannelPower:
    """Mean squares of two channels as blocks come in: an hour of them is small where an hour of stereo is not."""

    def __init__(self) -> None:
        self._frames: list[np.ndarray] = []
        self._rest = np.zeros((2, 0), np.float32)

    def add(self, channels: np.ndarray) -> None:
        if len(channels) != 2:
            return
        samples = np.concatenate([self._rest, channels], 1)
        size = SAMPLE_RATE_HZ // POWER_FRAMES_PER_S
        n = samples.shape[1] // size
        self._frames.append((samples[:, : n * size].reshape(2, n, size) ** 2).mean(2))
        self._rest = samples[:, n * size :]

    def result(self) -> np.ndarray | None:
        if not self._frames:
            return None
        power = np.concatenate(self._frames, 1)
        return None if np.allclose(power[0], power[1], rtol=DUAL_MONO, atol=1e-9) else power


def _check_waveform(name: str, waveform: np.ndarray, announced_s: float | None) -> None:
    duration_s = len(waveform) / SAMPLE_RATE_HZ
    if announced_s is not None and duration_s < announced_s - TRUNCATION_TOLERANCE_S:
        raise AudioError(
            f"'{name}' is cut off: its header announces {announced_s:.1f} s, only {duration_s:.1f} s are there; "
            "give the complete file"
        )
    if duration_s < MIN_DURATION_S:
        raise AudioError(f"'{name}' lasts {duration_s:.2f} s, at least {MIN_DURATION_S} s are needed; record it again")
