"""Files that claim to be recordings: every format that recorders write, damaged in every way that chance and malice know.

All follows from a generator of random numbers, so a file is made again from its seed and number.
"""

import io
from collections.abc import Callable, Mapping
from functools import cache

import av
import numpy as np
import soundfile
from sounds import encode, tone

CODECS = {  # ending -> what it holds: container, codec, samples a second, channels, and options of the codec or the container
    "pcm16.wav": ("wav", "pcm_s16le", 16_000, 2),
    "pcm8.wav": ("wav", "pcm_u8", 8_000, 1),
    "pcm24.wav": ("wav", "pcm_s24le", 48_000, 1),
    "float.wav": ("wav", "pcm_f32le", 16_000, 1),
    "mulaw.wav": ("wav", "pcm_mulaw", 8_000, 2),
    "alaw.wav": ("wav", "pcm_alaw", 8_000, 1),
    "ms.wav": ("wav", "adpcm_ms", 22_050, 2),
    "ima.wav": ("wav", "adpcm_ima_wav", 22_050, 1),
    "g722.wav": ("wav", "g722", 16_000, 1),
    "rf64.wav": ("wav", "pcm_s16le", 16_000, 1, {}, {"rf64": "always"}),
    "pcm16.w64": ("w64", "pcm_s16le", 16_000, 1),
    "pcm16.aiff": ("aiff", "pcm_s16be", 44_100, 2),
    "pcm16.au": ("au", "pcm_s16be", 16_000, 1),
    "pcm16.caf": ("caf", "pcm_s16be", 16_000, 1),
    "alac.caf": ("caf", "alac", 44_100, 1),
    "16k.flac": ("flac", "flac", 16_000, 2),
    "opus.ogg": ("ogg", "libopus", 48_000, 2),
    "opus.webm": ("webm", "libopus", 48_000, 1),
    "pcm16.mkv": ("matroska", "pcm_s16le", 16_000, 1),
    "cbr.mp3": ("mp3", "libmp3lame", 44_100, 1, {"b": "64000"}),
    "vbr.mp3": ("mp3", "libmp3lame", 22_050, 2, {"flags": "+qscale", "global_quality": "236"}),
    "bare.mp3": ("mp3", "libmp3lame", 44_100, 1, {}, {"write_xing": "0", "id3v2_version": "0"}),
    "adts.aac": ("adts", "aac", 44_100, 2),
    "aac.m4a": ("ipod", "aac", 44_100, 2),
    "alac.m4a": ("ipod", "alac", 44_100, 1),
    "fragments.mp4": ("mp4", "aac", 44_100, 1, {}, {"movflags": "frag_keyframe+empty_moov", "frag_duration": "300000"}),
    "pcm16.mov": ("mov", "pcm_s16le", 16_000, 1),
    "phone.amr": ("amr", "libopencore_amrnb", 8_000, 1),
    "phone.3gp": ("3gp", "libopencore_amrnb", 8_000, 1),
    "windows.wma": ("asf", "wmav2", 44_100, 1, {"b": "64000"}),
    "stream.ts": ("mpegts", "aac", 44_100, 1),  # from here on refused even when whole
    "old.avi": ("avi", "pcm_s16le", 16_000, 1),
    "flash.flv": ("flv", "aac", 44_100, 1),
    "layer2.mp2": ("mp2", "mp2", 44_100, 1),
    "wavpack.wv": ("wv", "wavpack", 16_000, 1),
}
TEXTS = (
    "", "\n", "\x00", "hello", "RIFF", "RIFF\x00\x00\x00\x00WAVE", "ID3", "#!AMR\n", "fLaC", "OggS", "ftyp", "{}", "[[[[",
    "%PDF-1.7\n",
    "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:8.0,\n/etc/passwd\n#EXT-X-ENDLIST\n",
    "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:8.0,\nhttp://127.0.0.1:9/a.ts\n",
    "ffconcat version 1.0\nfile 'concat.wav'\n", "file '/etc/passwd'\n", "[playlist]\nFile1=a.wav\nNumberOfEntries=1\n",
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period/></MPD>',
)  # fmt: skip
NAMES = (
    "10:30.wav", "http:x.wav", "concat:a.wav|b.wav", "a%03d.wav", "-", "file:a.mp3", "fd:0", "pipe:1", "Müller.m4a", "a'b.wav",
    "two\nlines.wav", "\x1b[31mred.wav", "old-\udcfc.wav", "<b>bold.wav", "a" * 240 + ".wav", "a.wav.exe", "no ending",
    "录音.mp3",
)  # fmt: skip
EXTREMES = (
    *(0, 1, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 10**6, 8 * 10**7, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF),
    *(2**40, 2**63 - 1, 2**64 - 1),
)


@cache
def bases() -> Mapping[str, bytes]:
    """Undamaged files of a second or two, by their names."""
    made = {}
    for name, (container, codec, rate, n_channels, *options) in CODECS.items():
        samples = tone(rate, 1.3)
        if n_channels == 2:
            samples = np.stack([samples, (0.5 if rate != 22_050 else -1.0) * samples], 1)  # one has a channel turned over
        of_codec, of_container = (*options, {}, {})[:2]
        made[name] = encode(container, codec, rate, samples, of_codec, **of_container)
    vorbis = io.BytesIO()
    soundfile.write(vorbis, tone(44_100, 1.3), 44_100, format="OGG", subtype="VORBIS")
    return made | {"vorbis.ogg": vorbis.getvalue(), "film.mp4": _film()}


def _film() -> bytes:
    """Pictures with sound, as a phone records it."""
    file, rate = io.BytesIO(), 44_100
    with av.open(file, "w", format="mp4") as output:
        pictures, sound = output.add_stream("mpeg4", rate=10), output.add_stream("aac", rate=rate, layout="mono")
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        for _ in range(13):
            output.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        frame = av.AudioFrame.from_ndarray(tone(rate, 1.3)[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = rate
        for stream, last in ((sound, frame), (sound, None), (pictures, None)):
            output.mux(stream.encode(last))
    return file.getvalue()


def media(rng: np.random.Generator) -> tuple[str, bytes]:
    """A name and a content."""
    names = list(bases())
    name = names[rng.integers(len(names))]
    kind = rng.random()
    if kind < 0.05:
        content = TEXTS[rng.integers(len(TEXTS))].encode()
    elif kind < 0.08:
        content = rng.bytes(rng.integers(1, 20_000))
    else:
        content = bases()[name]
        for _ in range(rng.choice(4, p=(0.05, 0.6, 0.2, 0.15))):
            content = MUTATIONS[rng.integers(len(MUTATIONS))](rng, content)
    if rng.random() < 0.15:
        name = NAMES[rng.integers(len(NAMES))]
    return name, content


def damaged(rng: np.random.Generator, content: bytes) -> bytes:
    """Any file, by one of the ways that need to know nothing of it."""
    return BLIND[rng.integers(len(BLIND))](rng, content)


def _position(rng: np.random.Generator, content: bytes) -> int:
    """Anywhere, half of the time in the first bytes: there lie the headers."""
    n = len(content)
    return int(rng.integers(min(n, 256) if rng.random() < 0.5 else n)) if n else 0


def _flip(rng: np.random.Generator, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(int(2 ** rng.uniform(0, 7)) if changed else 0):
        changed[_position(rng, content)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _cut(rng: np.random.Generator, content: bytes) -> bytes:
    at = _position(rng, content)
    return content[:at] if rng.random() < 0.8 else content[at:]


def _insert(rng: np.random.Generator, content: bytes) -> bytes:
    at, n_bytes = _position(rng, content), int(2 ** rng.uniform(0, 13))
    filling = rng.bytes(n_bytes) if rng.random() < 0.5 else bytes([int(rng.choice([0, 255, 32]))]) * n_bytes
    return content[:at] + filling + content[at:]


def _repeat(rng: np.random.Generator, content: bytes) -> bytes:
    at, n_bytes = _position(rng, content), int(2 ** rng.uniform(2, 13))
    return content[:at] + content[at : at + n_bytes] * int(2 ** rng.uniform(1, 7)) + content[at:]


def _remove(rng: np.random.Generator, content: bytes) -> bytes:
    at = _position(rng, content)
    return content[:at] + content[at + int(2 ** rng.uniform(0, 12)) :]


def _overwrite(rng: np.random.Generator, content: bytes) -> bytes:
    """A field of a header, or what is taken for one, becomes extreme."""
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        at, n_bytes = _position(rng, content), int(rng.choice([1, 2, 4, 8]))
        value = EXTREMES[rng.integers(len(EXTREMES))] % 256**n_bytes
        changed[at : at + n_bytes] = value.to_bytes(n_bytes, "big" if rng.random() < 0.5 else "little")
    return bytes(changed)


def _field(rng: np.random.Generator, content: bytes) -> bytes:
    """The same, of a field beside a name that formats give to their blocks."""
    marks = [mark for mark in MARKS if mark in content]
    if not marks:
        return _overwrite(rng, content)
    at = content.index(marks[rng.integers(len(marks))]) + int(rng.choice([-4, 4, 8, 12, 16, 20, 24]))
    value = EXTREMES[rng.integers(len(EXTREMES))] % 2**32
    at = max(0, at)
    return content[:at] + value.to_bytes(4, "big" if rng.random() < 0.5 else "little") + content[at + 4 :]


def _join(rng: np.random.Generator, content: bytes) -> bytes:
    names = list(bases())
    other = content if rng.random() < 0.3 else bases()[names[rng.integers(len(names))]]
    return content + other if rng.random() < 0.7 else other + content


def _swap_header(rng: np.random.Generator, content: bytes) -> bytes:
    names = list(bases())
    n_bytes = int(2 ** rng.uniform(3, 11))
    return bases()[names[rng.integers(len(names))]][:n_bytes] + content[n_bytes:]


MARKS = (
    *(b"fmt ", b"data", b"fact", b"ds64", b"COMM", b"SSND", b"desc", b"pakt", b"stsz", b"stts", b"stsc", b"stco", b"mdhd"),
    *(b"mvhd", b"stsd", b"mdat", b"moov", b"trun", b"tfhd", b"elst", b"mp4a", b"esds", b"alac", b"Xing", b"Info", b"ID3"),
    *(b"OpusHead", b"vorbis", b"OggS", b"\x1a\x45\xdf\xa3", b"\x1f\x43\xb6\x75", b"fLaC", b".snd"),
)
BLIND: tuple[Callable[[np.random.Generator, bytes], bytes], ...] = (_flip, _cut, _insert, _repeat, _remove, _overwrite)
MUTATIONS = (*BLIND, _field, _field, _join, _swap_header)
