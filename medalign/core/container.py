"""What the bytes of a recording say and FFmpeg does not: where joined recordings begin, and how much their headers promise."""

import re
from io import SEEK_END
from typing import Protocol

from medalign.core.errors import AudioError

# How recordings begin in formats whose joined files FFmpeg does not read as it should; of ogg, each page and its flags.
# Literals first: zeros and noise are passed at some 200 MB a second.
START = re.compile(
    rb"fLaC\x00\x00\x00\x22"
    rb"|(?:RIFF|RF64)....WAVE(?:fmt |bext|JUNK|LIST|ds64)"
    rb"|riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb"  # w64
    rb"|FORM....AIF[FC]"
    rb"|caff\x00\x01\x00\x00desc"
    rb"|\.snd\x00\x00.{6}\x00\x00\x00[\x01-\x20]"
    rb"|#!AMR(?:-WB)?\n"
    rb"|ftyp(?<=\x00\x00\x00[\x10-\x60]ftyp)[ -~]{4}"  # mp4, m4a, 3gp and mov, behind the size of this box
    rb"|\x1a\x45\xdf\xa3.{1,64}?\x42\x82.(?:webm|matroska)"
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"  # wma
    rb"|OggS\x00([\x00-\x07])",
    re.DOTALL,
)
OGG_BEGINS = b"\x02" + bytes(8)  # flags and position of the first page
CHUNK_BYTES, OVERLAP_BYTES, MAX_PARTS = 2**20, 100, 100
# Formats of named chunks: where the first one begins, the bytes of a name and of a size, to how many bytes a chunk is filled,
# how much of its header the size counts, and what lies before the samples in theirs.
WAV = (12, 4, 4, 2, 0, 0)
LAYOUTS = {b"RIFF": WAV, b"RF64": WAV, b"riff": (40, 16, 8, 8, 24, 0), b"caff": (8, 4, 8, 1, 0, 4)}
MAX_CHUNKS = 1000
UNKNOWN_BYTES = 0x7FFF0000  # from here on it is what a recorder writes that can't go back to its header, as ends of streams


class Seekable(Protocol):
    """What is needed of a file."""

    def read(self, n_bytes: int, /) -> bytes: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def tell(self) -> int: ...


def parts(file: Seekable, name: str) -> list[tuple[int, int | None]]:
    """From where to where each recording goes, where several were joined to one file; else one for all.

    FFmpeg reads only the first of joined wav or mp4 files, repeats a second at the seam of flac files, and keeps an opus
    decoder that has heard the end of another recording. mp3 and raw aac go on as they are.
    """
    chunk = file.read(CHUNK_BYTES)
    first = START.match(chunk) or START.match(chunk, 4)
    is_ogg = first is not None and first.lastindex is not None
    starts, position, seen, in_header = [0], 0, 8, is_ogg
    may_be_joined = first is not None or chunk.startswith(b"\xff")  # frames of mp3 or aac without a header
    while chunk and may_be_joined:
        for found in START.finditer(chunk):
            at = position + found.start() - 4 * found.group().startswith(b"ftyp")
            is_page = found.lastindex is not None
            if at <= seen or (is_page and not is_ogg and not chunk.startswith(OGG_BEGINS, found.start() + 5)):
                continue
            seen = at
            # Of ogg each page is found; the first page of several tracks stands beside the others'.
            is_header = not is_page or bool(found.group(1)[0] & 2)
            if is_header and not (in_header and is_page):
                starts.append(at)
                is_ogg = is_page
            in_header = is_header and is_page
        if len(starts) > MAX_PARTS:
            raise AudioError(f"'{name}' was joined from more than {MAX_PARTS} recordings; give them one by one")
        position += max(1, len(chunk) - OVERLAP_BYTES)
        file.seek(position)
        chunk = file.read(CHUNK_BYTES)
    return list(zip(starts, [*starts[1:], None], strict=True))


def promised_bytes(file: Seekable) -> int | None:
    """Of samples, by the header of a wav, w64 or caf, if that is more than there is: FFmpeg believes the file's end."""
    magic = _bytes_at(file, 0, 4)
    if (layout := LAYOUTS.get(magic)) is None:
        return None
    position, name_bytes, size_bytes, filled_to, counted, before_samples = layout
    long_size = None
    for _ in range(MAX_CHUNKS):
        head = _bytes_at(file, position, name_bytes + size_bytes)
        if len(head) < name_bytes + size_bytes:
            return None
        position += len(head)
        size = max(0, int.from_bytes(head[name_bytes:], "big" if magic == b"caff" else "little") - counted)
        if head[:4] == b"ds64":
            long_size = int.from_bytes(_bytes_at(file, position + 8, 8), "little")
        elif head[:4] == b"data":
            promised = (size if long_size is None else long_size) - before_samples
            return promised if _size(file) - position - before_samples < promised < UNKNOWN_BYTES else None
        position += -(-size // filled_to) * filled_to
    return None


def counted_mp3_s(file: Seekable, sample_rate_hz: int) -> float | None:
    """By the header that counts an mp3's frames (Xing's, LAME's "Info" or Fraunhofer's "VBRI"); None without one."""
    start, tag = 0, _bytes_at(file, 0, 10)
    if tag[:3] == b"ID3" and len(tag) == 10:
        start = 10 + sum((byte & 0x7F) << 7 * i for i, byte in enumerate(reversed(tag[6:])))
    head = _bytes_at(file, start, 4096)
    # The header lies where the first frame's sound would: after its four bytes and up to 32 more.
    found = re.search(
        rb"\xff[\xe0-\xff].{2,36}?(?:(?:Xing|Info)...[\x01\x03\x05\x07\x09\x0b\x0d\x0f]|VBRI.{10})(.{4})", head, re.DOTALL
    )
    if found is None or sample_rate_hz <= 0:
        return None
    return int.from_bytes(found.group(1), "big") * (1152 if sample_rate_hz >= 32_000 else 576) / sample_rate_hz


def _bytes_at(file: Seekable, position: int, n_bytes: int) -> bytes:
    before = file.tell()
    file.seek(position)
    found = file.read(n_bytes)
    file.seek(before)
    return found


def _size(file: Seekable) -> int:
    before = file.tell()
    size = file.seek(0, SEEK_END)
    file.seek(before)
    return size
