"""Recordings in: any common format, any rate, mono or stereo, to float32 mono at 16 kHz. The one place that decodes.

PyAV carries FFmpeg's libraries in its wheel, so no ffmpeg program is needed; faster-whisper decodes with it too.
Limits are checked before any model runs, from the container where it says its duration, and again while decoding.
"""

import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

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


Source = str | os.PathLike | bytes | BinaryIO | np.ndarray


def load_recording(
    source: Source,
    *,
    sample_rate_hz: int | None = None,
    name: str | None = None,
    max_duration_s: float = MAX_DURATION_S,
    max_bytes: int = MAX_BYTES,
) -> Recording:
    """Decode a recording, or say in one sentence why not.

    Args:
        source: a path; the bytes of a file; a binary file that can seek; or samples, (n,) or (n, n_channels), as floats in
            [-1, 1] or as signed integers.
        sample_rate_hz: of samples, and of nothing else.
        name: what the recording is called; by default the file's name, or "recording".

    Raises:
        AudioError: missing, empty, unreadable, not audio, no audio track, more than two channels, damaged or cut off,
            too short, too long, too large, or samples that are not finite numbers.
    """
    if isinstance(source, np.ndarray):
        if sample_rate_hz is None:
            raise AudioError("samples were given without their rate; add sample_rate_hz, in samples a second")
        return _from_samples(source, sample_rate_hz, name or "recording", max_duration_s)
    if sample_rate_hz is not None:
        raise AudioError("sample_rate_hz was given for a file, which says its own rate; leave it out")
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        with _opened(path, max_bytes) as file:
            return _from_file(file, name or path.name, max_duration_s)
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    name = name or Path(str(getattr(file, "name", "recording"))).name
    try:
        n_bytes = file.seek(0, io.SEEK_END)
        file.seek(0)
    except (OSError, AttributeError, ValueError) as error:
        raise AudioError(f"'{name}' can't be read from its start ({error}); give a path, bytes or an open file") from error
    _check_size(name, n_bytes, max_bytes)
    return _from_file(file, name, max_duration_s)


def recording_of(source: Source | Recording) -> Recording:
    """A recording as it is; anything else through `load_recording`."""
    return source if isinstance(source, Recording) else load_recording(source)


def _from_file(file: BinaryIO, name: str, max_duration_s: float) -> Recording:
    try:
        with av.open(file, "r", metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise AudioError(f"'{name}' has no audio track; give a recording with sound ({FORMATS})")
            stream = container.streams.audio[0]
            announced_s = _announced_duration_s(container, stream)
            channels, rate = stream.codec_context.channels, stream.codec_context.sample_rate
            _check_stream(name, announced_s, channels, max_duration_s)
            waveform, channel_power = _decode(container.decode(stream), name, max_duration_s)
    except av.error.FFmpegError as error:
        raise AudioError(
            f"'{name}' can't be read as audio ({error.strerror or error}); give an undamaged {FORMATS} file"
        ) from error
    _check_waveform(name, waveform, announced_s)
    return Recording(name, waveform, rate, channels, channel_power)


def _from_samples(samples: np.ndarray, sample_rate_hz: int, name: str, max_duration_s: float) -> Recording:
    """Through the same resampler and checks as a file."""
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "fi":
        raise AudioError(
            f"'{name}' is an array of {samples.dtype} with shape {samples.shape}; give floats or signed integers, "
            "(n_samples,) or (n_samples, n_channels)"
        )
    if not 1_000 <= sample_rate_hz <= 768_000:
        raise AudioError(f"'{name}' has {sample_rate_hz} samples a second; give a rate between 1000 and 768000")
    scale = 1.0 if samples.dtype.kind == "f" else 1 / -float(np.iinfo(samples.dtype).min)
    columns = (samples.reshape(len(samples), -1) * scale).astype(np.float32)
    _check_stream(name, len(columns) / sample_rate_hz, columns.shape[1], max_duration_s)
    waveform, channel_power = _decode(_frames(columns, sample_rate_hz), name, max_duration_s)
    _check_waveform(name, waveform, None)
    return Recording(name, waveform, int(sample_rate_hz), columns.shape[1], channel_power)


def _frames(columns: np.ndarray, sample_rate_hz: int) -> Iterator[av.AudioFrame]:
    """Samples (n, n_channels) in pieces of a second, as a decoder gives them."""
    layout = "mono" if columns.shape[1] == 1 else "stereo"
    for first in range(0, len(columns), int(sample_rate_hz)):
        piece = np.ascontiguousarray(columns[first : first + int(sample_rate_hz)].T)
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
        frame.sample_rate = int(sample_rate_hz)
        yield frame


def _opened(path: Path, max_bytes: int) -> BinaryIO:
    """The file, checked before it is opened: opening a fifo would wait for a writer."""
    try:
        if not path.is_file() and path.exists():
            raise AudioError(f"'{path}' is not a file; give the path of one recording ({FORMATS})")
        n_bytes = path.stat().st_size
        _check_size(path.name, n_bytes, max_bytes)
        return open(path, "rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AudioError(f"'{path}' does not exist; check the path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"'{path}' can't be read ({reason}); check its permissions and its folder's") from error


def _check_size(name: str, n_bytes: int, max_bytes: int) -> None:
    if n_bytes == 0:
        raise AudioError(f"'{name}' is empty (0 bytes); record or upload it again")
    if n_bytes > max_bytes:
        raise AudioError(
            f"'{name}' has {n_bytes / 2**20:.0f} MB, the limit is {max_bytes / 2**20:.0f} MB; "
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


def _decode(decoded: Iterable[av.AudioFrame], name: str, max_duration_s: float) -> tuple[np.ndarray, np.ndarray | None]:
    """The whole track as one channel, and the channels' powers; stops once the limit is passed: some headers don't tell."""
    # Channels are averaged here: FFmpeg's own downmix is 3 dB louder and clips.
    resampler = av.AudioResampler(format="fltp", rate=SAMPLE_RATE_HZ)
    pieces, power, n_samples, position_s = [], _ChannelPower(), 0, 0.0
    try:
        for frame in decoded:
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
