"""From an opened file to one channel at 16 kHz: the only place that decodes; files are not trusted.

FFmpeg sees an object without a name, never a path: it can open no second file and no address, whatever the first one asks
for. It may use the formats that recorders write, and takes neither more time nor more memory than a recording needs.
"""

import ctypes
import io
import sys
import time
from collections.abc import Iterator
from typing import BinaryIO

import av
import av.buffer

from medalign.core.container import counted_mp3_s, parts, promised_bytes
from medalign.core.errors import AudioError
from medalign.core.mixing import mix_down, too_long
from medalign.core.recording import Recording

DEADLINE_S = 120.0  # an hour takes 6 to 18 s on one core, by its format
MAX_PACKET_BYTES = 4 * 2**20  # of encoded sound; a second of any recorder's is less
FORMATS = "wav, mp3, m4a, mp4, ogg, webm or flac"
# What browsers, phones and recorders write, by FFmpeg's names. None of these reads other files than its own: no playlists,
# no lists of files, no streams from a network.
DEMUXERS = "wav,w64,aiff,au,caf,flac,ogg,mp3,aac,amr,mov,matroska,asf,dss"
ALLOWED = {"format_whitelist": DEMUXERS, "protocol_whitelist": "none"}
STATES_ITS_LENGTH = {"wav", "w64", "aiff", "au", "caf", "flac", "ogg", "mov", "matroska"}  # elsewhere FFmpeg may only estimate
# A count in a header may ask for an index of gigabytes; that of an hour has five megabytes.
MAX_ALLOCATION_BYTES = 128 * 2**20
if sys.platform != "win32":  # which looks a name up in the library itself, and not in those that it was linked to
    ctypes.CDLL(av.buffer.__file__).av_max_alloc(ctypes.c_size_t(MAX_ALLOCATION_BYTES))


class GuardedFile:
    """All that FFmpeg may read: one opened file without its name. After the deadline it reports its end."""

    def __init__(self, file: BinaryIO, name: str):
        self._file, self._name, self._size = file, name, file.seek(0, io.SEEK_END)
        self._until = time.monotonic() + DEADLINE_S
        self._asked_for_another = False
        self.show(0, None)

    def show(self, start: int, end: int | None) -> None:
        """Only the bytes [start, end) of it from now on, or all from `start` on."""
        self._start, self._end = start, self._size if end is None else end
        self.seek(0)

    def read(self, n_bytes: int) -> bytes:
        if time.monotonic() > self._until:
            return b""
        return self._file.read(max(0, min(n_bytes, self._end - self._file.tell())))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: self._start, io.SEEK_CUR: self._file.tell(), io.SEEK_END: self._end}[whence]
        # A damaged header may ask for a place that no file could have.
        return self._file.seek(min(max(self._start, origin + offset), self._end)) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start

    def open_another(self, url: str, flags: int, options: dict) -> BinaryIO:
        """Called by FFmpeg to open a file that the recording refers to: refused."""
        self._asked_for_another = True
        return io.BytesIO()

    def check(self) -> None:
        """Raises AudioError if the file took too long, or asked for another one."""
        if time.monotonic() > self._until:
            raise AudioError(f"'{self._name}' could not be read within {DEADLINE_S:.0f} s; save it as {FORMATS} and try again")
        if self._asked_for_another:
            raise AudioError(f"'{self._name}' refers to another file; give the one file that holds the sound ({FORMATS})")


def decode_file(file: BinaryIO, name: str, max_duration_s: float, *, turn_over: bool = False) -> tuple[Recording, float | None]:
    """A file's first track with sound, as `mix_down` makes it, and the duration that the file announces, if it does.

    Raises:
        AudioError: not a recording, or damaged, too long, without sound, or took too long to decode.
    """
    guarded, announced_s = GuardedFile(file, name), []
    refuse = guarded.open_another

    def frames() -> Iterator[av.AudioFrame]:
        for part in parts(guarded, name):
            guarded.show(*part)
            with av.open(guarded, "r", container_options=ALLOWED, metadata_errors="ignore", io_open=refuse) as container:
                stream = _audio_stream(container, name)
                announced_s.append(_announced_duration_s(container, stream, guarded))
                if (so_far_s := sum(s or 0.0 for s in announced_s)) > max_duration_s:
                    raise too_long(name, f"lasts {so_far_s / 60:.0f} minutes", max_duration_s)
                yield from _decoded(container, stream, guarded, name)

    try:
        recording = mix_down(frames(), name, max_duration_s, turn_over=turn_over)
        guarded.check()
    except av.error.FFmpegError as error:
        guarded.check()
        reason = str(error.strerror or error)
        if isinstance(error, av.error.ArgumentError) and not announced_s:
            reason = "it is no recording, or has a format that is not known here"
        elif isinstance(error, av.error.PatchWelcomeError):
            reason = "a variant of its format that is not known here"
        raise AudioError(f"'{name}' can't be read as audio ({reason}); give an undamaged {FORMATS} file") from error
    except OSError as error:
        raise AudioError(f"'{name}' can't be read ({error.strerror or error}); check where it is stored") from error
    return recording, None if None in announced_s else sum(s or 0.0 for s in announced_s)


def _audio_stream(container: av.container.InputContainer, name: str) -> av.AudioStream:
    """The first track with sound. Raises AudioError if there is none, or none that can be decoded."""
    if not container.streams.audio:
        raise AudioError(f"'{name}' has no audio track; give a recording with sound ({FORMATS})")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise AudioError(f"'{name}' is encoded in a way that can't be decoded here; save it as {FORMATS}")
    return stream


def _announced_duration_s(container: av.container.InputContainer, stream: av.AudioStream, file: GuardedFile) -> float | None:
    """What the file says about itself; None where it says nothing, as a browser's webm, or where FFmpeg only estimates."""
    demuxer = container.format.name.split(",")[0]
    if demuxer == "mp3":
        return counted_mp3_s(file, stream.codec_context.sample_rate)
    if demuxer not in STATES_ITS_LENGTH:
        return None
    codec = stream.codec_context
    if codec.name.startswith("pcm_") and codec.bit_rate and (n_bytes := promised_bytes(file)) is not None:
        return 8 * n_bytes / codec.bit_rate
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration is not None else None


def _decoded(
    container: av.container.InputContainer, stream: av.AudioStream, file: GuardedFile, name: str
) -> Iterator[av.AudioFrame]:
    """The track's frames in order. Raises AudioError where it is damaged or takes too long."""
    position_s = 0.0
    try:
        for packet in container.demux(stream):
            file.check()
            if packet.size > MAX_PACKET_BYTES:
                raise av.error.InvalidDataError(0, "one packet holds minutes")
            if packet.size and bytes(packet).startswith(b"ID3"):
                continue  # the tag of the next recording, where mp3s were joined
            for frame in packet.decode():
                yield frame
                position_s += frame.samples / frame.sample_rate
    except av.error.InvalidDataError as error:
        file.check()
        raise AudioError(f"'{name}' is damaged after {position_s:.1f} s; give the complete file") from error
