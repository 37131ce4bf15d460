"""Recordings in: any common format, any rate, mono or stereo, to float32 mono at 16 kHz.

PyAV carries FFmpeg's libraries in its wheel, so no ffmpeg program is needed; faster-whisper decodes with it too.
Limits are checked before any model runs, from the container where it says its duration, and again while decoding.
"""

import io
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from medalign.core.decoding import FORMATS, decode_file
from medalign.core.errors import AudioError, printable
from medalign.core.mixing import check_source, mix_down, sample_frames
from medalign.core.recording import POWER_FRAMES_PER_S, SAMPLE_RATE_HZ, Recording

__all__ = [
    "FORMATS", "MAX_BYTES", "MAX_DURATION_S", "MIN_DURATION_S", "POWER_FRAMES_PER_S", "SAMPLE_RATE_HZ", "Recording", "Source",
    "load_recording", "recording_of",
]  # fmt: skip

MAX_DURATION_S = 60 * 60.0
MIN_DURATION_S = 0.5  # shorter than any word that could be checked
MAX_BYTES = 400 * 1024 * 1024
# A file whose header promises this much more than it holds was cut off; encoders pad by less. Of a short file, a share.
TRUNCATION_TOLERANCE_S, TRUNCATION_TOLERANCE, LEAST_TOLERANCE_S = 1.0, 0.25, 0.3
MAX_PEAK = 4.0  # of floats: mixing and resampling go a little beyond 1, samples of another scale far beyond
LEAST_PEAK_32 = 2**15  # of 32-bit samples, -96 dB: what is below are 16-bit samples in a wider type, or silence

Bytes = bytes | bytearray | memoryview
Source = str | os.PathLike | Bytes | BinaryIO | np.ndarray


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
            [-1, 1] or as signed integers of 8, 16 or 32 bits, which fill the range of their type.
        sample_rate_hz: of samples, and of nothing else.
        name: what the recording is called; by default the file's name, or "recording".

    Raises:
        AudioError: of another type, missing, empty, unreadable, not audio, no audio track, more than two channels, damaged
            or cut off, too short, too long, too large, or samples of another scale or that are not finite numbers.
    """
    _check_type(source)
    if isinstance(source, np.ndarray):
        if sample_rate_hz is None:
            raise AudioError("samples were given without their rate; add sample_rate_hz, in samples a second")
        if isinstance(sample_rate_hz, bool) or not isinstance(sample_rate_hz, int | float | np.integer | np.floating):
            raise AudioError(f"sample_rate_hz is {sample_rate_hz!r}, a {type(sample_rate_hz).__name__}; give a number")
        return _from_samples(source, sample_rate_hz, name or "recording", max_duration_s)
    if sample_rate_hz is not None:
        raise AudioError("sample_rate_hz was given for a file, which says its own rate; leave it out")
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        with _opened(path, max_bytes) as file:
            return _from_file(file, printable(name or path.name), max_duration_s)
    file = io.BytesIO(source) if isinstance(source, Bytes) else source
    name = printable(name or Path(str(getattr(file, "name", "recording"))).name)
    try:
        n_bytes = file.seek(0, io.SEEK_END)
        file.seek(0)
    except (OSError, ValueError) as error:
        raise AudioError(f"'{name}' can't be read from its start ({error}); give a path, bytes or an open file") from error
    _check_size(name, n_bytes, max_bytes)
    return _from_file(file, name, max_duration_s)


def _check_type(source: object) -> None:
    """Raises AudioError: it is nothing that a recording could be read from."""
    if isinstance(source, io.TextIOBase):
        raise AudioError("a file that was opened as text can't be read as audio; open it with mode 'rb', or give its path")
    if isinstance(source, str) and not source:
        raise AudioError("the path of the recording is empty; give the path of one file")
    if not isinstance(source, str | os.PathLike | Bytes | np.ndarray) and not (
        hasattr(source, "read") and hasattr(source, "seek")
    ):
        raise AudioError(
            f"no recording is read from a value of type {type(source).__name__}; give a path, a file's bytes, an open binary "
            "file, or samples as a numpy array (of a list or a tensor: numpy.asarray(samples))"
        )


def recording_of(source: Source | Recording, sample_rate_hz: int | None = None) -> Recording:
    """A recording as it is; anything else through `load_recording`."""
    if not isinstance(source, Recording):
        return load_recording(source, sample_rate_hz=sample_rate_hz)
    if sample_rate_hz is not None:
        raise AudioError("sample_rate_hz was given for a recording that has been loaded, which knows its own; leave it out")
    return source


def _from_file(file: BinaryIO, name: str, max_duration_s: float) -> Recording:
    return _upright(lambda turn_over: decode_file(file, name, max_duration_s, turn_over=turn_over))


def _from_samples(samples: np.ndarray, sample_rate_hz: int, name: str, max_duration_s: float) -> Recording:
    """Through the same resampler and checks as a file."""
    is_float = samples.dtype.kind == "f"
    if samples.ndim not in (1, 2) or not (is_float or samples.dtype in (np.int8, np.int16, np.int32)):
        raise AudioError(
            f"'{name}' is an array of {samples.dtype} with shape {samples.shape}; give floats or signed integers of 8, 16 or "
            "32 bits, (n_samples,) or (n_samples, n_channels)"
        )
    if not samples.size:
        raise AudioError(f"'{name}' is an array without samples; record it again")
    peak = float(max(-float(samples.min()), float(samples.max())))
    if is_float and MAX_PEAK < peak < np.inf:
        raise AudioError(f"'{name}' holds floats up to {peak:g}, in [-1, 1] they are expected; divide them by their full scale")
    if samples.dtype == np.int32 and 0 < peak < LEAST_PEAK_32:
        raise AudioError(f"'{name}' holds 32-bit samples up to {peak:g} of {2**31}, as 16-bit samples are; give them as int16")
    scale = 1.0 if is_float else 1 / -float(np.iinfo(samples.dtype).min)
    with np.errstate(over="ignore"):  # what becomes infinite is told below
        columns = (samples.reshape(len(samples), -1) * scale).astype(np.float32)
    check_source(name, sample_rate_hz, columns.shape[1])
    frames = partial(sample_frames, columns, sample_rate_hz)
    return _upright(lambda turn_over: (mix_down(frames(), name, max_duration_s, turn_over=turn_over), None))


def _upright(decode: Callable[[bool], tuple[Recording, float | None]]) -> Recording:
    """Decoded once; again, with one channel turned over, where the channels would cancel each other out."""
    recording, announced_s = decode(False)
    _check_duration(recording, announced_s)
    return replace(decode(True)[0], is_inverted=True, channel_power=None) if recording.is_inverted else recording


def _opened(path: Path, max_bytes: int) -> BinaryIO:
    """The file, checked before it is opened: opening a fifo would wait for a writer."""
    shown = printable(str(path))
    try:
        if not path.is_file() and path.exists():
            raise AudioError(f"'{shown}' is not a file; give the path of one recording ({FORMATS})")
        n_bytes = path.stat().st_size
        _check_size(printable(path.name), n_bytes, max_bytes)
        return open(path, "rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AudioError(f"'{shown}' does not exist; check the path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"'{shown}' can't be read ({reason}); check its permissions and its folder's") from error


def _check_size(name: str, n_bytes: int, max_bytes: int) -> None:
    if n_bytes == 0:
        raise AudioError(f"'{name}' is empty (0 bytes); record or upload it again")
    if n_bytes > max_bytes:
        raise AudioError(
            f"'{name}' has {n_bytes / 2**20:.0f} MB, the limit is {max_bytes / 2**20:.0f} MB; "
            "cut it into parts or save it as mp3"
        )


def _check_duration(recording: Recording, announced_s: float | None) -> None:
    name, duration_s = recording.name, recording.duration_s
    promised_s = announced_s or 0.0
    tolerance_s = min(TRUNCATION_TOLERANCE_S, max(LEAST_TOLERANCE_S, TRUNCATION_TOLERANCE * promised_s))
    if duration_s < promised_s - tolerance_s:
        raise AudioError(
            f"'{name}' is cut off: its header announces {announced_s:.1f} s, only {duration_s:.1f} s are there; "
            "give the complete file"
        )
    if duration_s < MIN_DURATION_S:
        raise AudioError(f"'{name}' lasts {duration_s:.2f} s, at least {MIN_DURATION_S} s are needed; record it again")
