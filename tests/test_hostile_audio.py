"""A recording is only a recording: no file makes the decoder read another one, wait, grow, or end in a traceback."""

import ctypes
import io
import os
import select
import socket
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import av
import numpy as np
import pytest
from sounds import encode, tone, wav

from medalign.core import apart, decoding
from medalign.core.apart import load_apart
from medalign.core.audio import SAMPLE_RATE_HZ, load_recording
from medalign.core.errors import AudioError

IN_ACCESS, IN_OPEN = 0x1, 0x20


def refusal(source, **options) -> str:
    """What the one sentence says."""
    with pytest.raises(AudioError) as caught:
        load_recording(source, **options)
    message = str(caught.value)
    assert "\n" not in message and ";" in message and len(message) < 250
    return message


@contextmanager
def nothing_opened_in(folder: Path):
    """Fails if anybody opens or reads a file of the folder, whichever library it is."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(folder), IN_ACCESS | IN_OPEN) >= 0
    try:
        yield
        assert not select.select([watch], [], [], 0)[0], f"a file in {folder} was opened"
    finally:
        os.close(watch)


@pytest.fixture
def secret(tmp_path):
    """A recording in a folder of its own that nobody was given."""
    (tmp_path / "secret").mkdir()
    path = tmp_path / "secret" / "secret.ts"  # which every kind of playlist may name
    path.write_bytes(encode("mpegts", "aac", 44_100, tone(44_100)))
    return path


def test_the_watch_sees_what_a_library_opens(secret):
    with pytest.raises(AssertionError, match="was opened"), nothing_opened_in(secret.parent):
        av.open(str(secret)).close()


PLAYLISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:8.0,\n{other}\n#EXT-X-ENDLIST\n",
    "live.m3u8": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:8.0,\n{other}\n",
    "concat.wav": "ffconcat version 1.0\nfile '{other}'\n",
    "call.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "dash.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="a"><Period>'
    '<AdaptationSet mimeType="audio/webm"><Representation id="1" bandwidth="1"><BaseURL>{other}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>",
    "list.pls": "[playlist]\nFile1={other}\nNumberOfEntries=1\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_playlist_is_refused_at_once_and_nothing_it_names_is_read(tmp_path, secret, name, as_bytes):
    path = tmp_path / name
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/secret.ts"
        for other in (str(secret), f"file:{secret}", "secret/secret.ts", address, name):
            path.write_text(PLAYLISTS[name].format(other=other))
            with nothing_opened_in(secret.parent):  # and it is no deadline that ends it
                assert "can't be read as audio" in refusal(path.read_bytes() if as_bytes else path)
        with pytest.raises(BlockingIOError):  # nobody has called
            server.accept()


def with_external_data(content: bytes, path: Path) -> bytes:
    """A QuickTime file whose sound lies in another file, by an alias record with an absolute path."""
    at = content.index(b"dref") - 4
    old_size = struct.unpack(">I", content[at : at + 4])[0]
    name = os.fsencode(path)
    alias = (
        bytes(10) + b"\x01v" + bytes(26) + bytes(12) + b"\x01a" + bytes(62) + bytes(16) + struct.pack(">hh", 0, 0) + bytes(16)
    )
    alias += struct.pack(">hH", 2, len(name)) + name + bytes(len(name) % 2) + struct.pack(">hH", -1, 0)
    entry = struct.pack(">I", 12 + len(alias)) + b"alis" + bytes(4) + alias
    box = struct.pack(">I", 16 + len(entry)) + b"dref" + bytes(4) + struct.pack(">I", 1) + entry
    changed = bytearray(content[:at] + box + content[at + old_size :])
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        size_at = content.index(parent) - 4
        size = struct.unpack(">I", changed[size_at : size_at + 4])[0]
        changed[size_at : size_at + 4] = struct.pack(">I", size + len(box) - old_size)
    return bytes(changed)


@pytest.mark.parametrize("container", ["mov", "mp4"])
def test_a_quicktime_file_can_not_take_its_sound_from_another_file(tmp_path, secret, container):
    codec = {"mov": "pcm_s16le", "mp4": "aac"}[container]
    content = with_external_data(encode(container, codec, SAMPLE_RATE_HZ, tone(SAMPLE_RATE_HZ)), secret)
    (tmp_path / "a.mov").write_bytes(content)
    with nothing_opened_in(secret.parent):
        assert any(says in refusal(tmp_path / "a.mov") for says in ("is cut off", "lasts 0.00 s", "refers to another file"))


def test_even_a_demuxer_that_is_told_to_follow_references_gets_nothing(secret):
    content = with_external_data(encode("mov", "pcm_s16le", SAMPLE_RATE_HZ, tone(SAMPLE_RATE_HZ)), secret)
    options = {"enable_drefs": "1", "use_absolute_path": "1"}
    with pytest.raises(AssertionError, match="was opened"), nothing_opened_in(secret.parent):
        av.open(io.BytesIO(content), container_options=options).close()
    file = decoding.GuardedFile(io.BytesIO(content), "a.mov")
    with nothing_opened_in(secret.parent), av.open(file, container_options=options, io_open=file.open_another) as container:
        assert not list(container.decode(audio=0))
    with pytest.raises(AudioError, match="refers to another file"):
        file.check()


def test_a_matroska_file_does_not_go_on_in_the_one_that_it_links_to(tmp_path, secret):
    """Linked segments name their next file by number and by name."""
    plain = encode("matroska", "libopus", 48_000, tone(48_000))
    names = [(b"\x3e\xb9\x23", b"\x11" * 16), (b"\x3e\x83\xbb", os.fsencode(secret))]  # NextUID, NextFilename
    added = b"".join(identifier + bytes([0x80 | len(value)]) + value for identifier, value in names if len(value) < 127)
    at = plain.index(
        b"\x15\x49\xa9\x66", plain.index(b"\xec\x01")
    )  # SegmentInfo, behind the index, with a size of eight bytes, or of one
    width = 8 - plain[at + 4].bit_length() + 1
    size = int.from_bytes(plain[at + 4 : at + 4 + width], "big") & ((1 << 7 * width) - 1)
    info = plain[at + 4 + width : at + 4 + width + size] + added
    content = plain[: at + 4] + (len(info) | 1 << 56).to_bytes(8, "big") + info + plain[at + 4 + width + size :]
    segment = content.index(b"\x18\x53\x80\x67") + 4  # its size, of eight bytes: unknown
    content = content[:segment] + b"\x01" + b"\xff" * 7 + content[segment + 8 :]
    (tmp_path / "secret" / "a.mkv").write_bytes(content)
    with nothing_opened_in(secret.parent):
        assert load_recording(content).duration_s == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("\x1b[31mred.wav", "\ufffd[31mred.wav"), ("old-\udcfc.wav", "old-\ufffd.wav"), ("a\nb.wav", "a\ufffdb.wav")],
)
def test_a_name_that_can_not_be_printed_is_shown_so_that_it_can(tmp_path, name, shown):
    """In old encodings, with lines of its own, or meant for the terminal."""
    (tmp_path / name).write_bytes(wav(tone(SAMPLE_RATE_HZ)))
    assert load_recording(tmp_path / name).name == shown
    (tmp_path / name).write_bytes(b"text")
    assert refusal(tmp_path / name).startswith(f"'{shown}' can't be read")
    assert refusal(tmp_path / "none" / name).endswith("does not exist; check the path")


@pytest.mark.parametrize("name", ["10:30.wav", "http:x.wav", "concat:a.wav", "a%03d.wav", "-"])
def test_a_name_is_only_a_name(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(wav(tone(SAMPLE_RATE_HZ)))
    monkeypatch.chdir(tmp_path)
    assert load_recording(name).name == name and load_recording(tmp_path / name).duration_s == 1.0


class Endless(io.RawIOBase):
    """A file whose zeros don't end."""

    def __init__(self, head: bytes):
        self.head, self.position = head, 0

    def seek(self, offset, whence=0):
        self.position = offset + {0: 0, 1: self.position, 2: 2**27}[whence]
        return self.position

    def tell(self):
        return self.position

    def read(self, n_bytes=-1):
        piece = self.head[self.position : self.position + n_bytes]
        piece += bytes(n_bytes - len(piece))
        self.position += n_bytes
        time.sleep(0.001)
        return piece


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(encode("mp3", "libmp3lame", 48_000, tone(48_000)), id="silence between packets"),
        pytest.param(wav(tone(SAMPLE_RATE_HZ)).replace(b"data" + struct.pack("<I", 32_000), b"data\xff\xff\xff\xff"), id="wav"),
        pytest.param(b"fLaC\x00\x00\x00\x22", id="looks for parts"),
    ],
)
def test_decoding_ends_at_its_deadline(monkeypatch, head):
    monkeypatch.setattr(decoding, "DEADLINE_S", 0.3)
    assert "within 0 s" in refusal(Endless(head))  # without one it would never end


def long_frames(sample_rate_hz: int, n_frames: int) -> bytes:
    """A few hundred bytes of FLAC in frames of 65,535 samples, which don't say how many they are."""
    content = bytearray(
        encode("flac", "flac", sample_rate_hz, np.zeros((65_535 * n_frames, 2)), options={"frame_size": "65535"})
    )
    content[21] &= 0xF0  # the total, 36 bits: unknown
    content[22:26] = bytes(4)
    return bytes(content)


def test_what_a_frame_becomes_is_known_before_it_is_resampled(tmp_path):
    path = tmp_path / "a.flac"
    path.write_bytes(long_frames(10, 8))  # two hours a frame; 1,600 times as many samples after it
    assert path.stat().st_size < 10_000
    message, peak_kb = refused_apart(path)
    assert "10 samples a second" in message and peak_kb < 100_000
    assert "limit is 1 minutes" in refusal(long_frames(1_000, 1), max_duration_s=60)


def test_a_count_in_a_header_takes_no_memory(tmp_path):
    """Of samples that take no byte in the file, and FFmpeg keeps 24 bytes of each: 2.9 GB."""
    content = bytearray(encode("mp4", "aac", 44_100, tone(44_100), movflags="frag_keyframe+empty_moov", frag_duration="300000"))
    at = content.index(b"trun")
    content[at + 4 : at + 12] = bytes(4) + struct.pack(">I", 80_000_000)
    (tmp_path / "a.mp4").write_bytes(content)
    message, peak_kb = refused_apart(tmp_path / "a.mp4")
    assert "can't be read as audio" in message and peak_kb < 150_000


def refused_apart(path: Path) -> tuple[str, int]:
    """What the sentence says, and the most memory that a process of its own took, in kilobytes."""
    program = (
        "import sys\nfrom medalign.core.audio import load_recording\nfrom medalign.core.errors import AudioError\n"
        "try: load_recording(sys.argv[1])\nexcept AudioError as error: print(error)\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    message, peak_kb = done.stdout.splitlines()
    return message, int(peak_kb)


@pytest.mark.parametrize("factor", [None, 0.1, -1.0])
def test_a_recording_decoded_apart_is_the_same(tmp_path, factor):
    mono = tone(SAMPLE_RATE_HZ)
    path = tmp_path / "10:30 \udcfc.wav"
    path.write_bytes(wav(mono if factor is None else np.stack([mono, factor * mono], 1)))
    here, there = load_recording(path), load_apart(path)
    for field in fields(here):
        np.testing.assert_array_equal(getattr(there, field.name), getattr(here, field.name))
    there.waveform[0] = 0.5  # it can be written to, as torch expects


def test_what_is_refused_apart_is_refused_in_the_same_words(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"text")
    for path in (tmp_path / "a.wav", tmp_path / "none.wav"):
        with pytest.raises(AudioError) as caught:
            load_apart(path)
        assert str(caught.value) == refusal(path)


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import os; os.abort()", "is damaged in a way that no decoder survives"),
        ("print('{\"facts\": {}, \"shapes\": {\"waveform\": [9]}}')", "is damaged in a way that no decoder survives"),
        ("import time; time.sleep(60)", "could not be read within 0 s"),
        ("import sys; from medalign.core import apart; apart.load_recording = lambda path: bytes(2**31);"
         "sys.stderr = open('/dev/null', 'w'); apart.main('', None)", "is damaged in a way that no decoder survives"),
    ],
)  # fmt: skip
def test_a_decoder_that_crashes_hangs_or_grows_harms_nobody_else(monkeypatch, tmp_path, program, told):
    monkeypatch.setattr(apart, "COMMAND", [sys.executable, "-c", program])
    if "sleep" in program:
        monkeypatch.setattr(apart, "KILL_AFTER_S", 0.3)
    with pytest.raises(AudioError, match=told):
        load_apart(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("value", "told"),
    [(np.nan, "not numbers"), (-np.inf, "not numbers"), (1e30, "floats up to 1e+30"), (1e300, "floats up to 1e+300")],
)
def test_samples_that_can_not_be_sound_are_refused(value, told):
    samples = tone(SAMPLE_RATE_HZ)
    samples[8_000] = value
    assert told in refusal(samples, sample_rate_hz=SAMPLE_RATE_HZ)
    if abs(value) < 1e38:
        assert "not numbers" in refusal(encode("wav", "pcm_f32le", SAMPLE_RATE_HZ, samples))


def test_a_rate_that_changes_to_an_absurd_one_is_refused_too():
    assert "10 samples a second" in refusal(wav(tone(SAMPLE_RATE_HZ)) + wav(np.zeros(100), 10))


def test_a_codec_without_decoder_is_refused_in_one_sentence():
    content = bytearray(wav(tone(SAMPLE_RATE_HZ)))
    content[20:22] = struct.pack("<H", 0x1234)
    assert "can't be decoded here" in refusal(bytes(content))


def test_a_format_whose_tracks_may_appear_later_is_refused():
    assert "format that is not known" in refusal(encode("mpegts", "aac", 44_100, tone(44_100)))


def test_a_packet_of_minutes_is_refused(monkeypatch):
    monkeypatch.setattr(decoding, "MAX_PACKET_BYTES", 1_000)
    assert "damaged after 0.0 s" in refusal(wav(tone(SAMPLE_RATE_HZ)))


PHONE = (8_000, "mono")
A, B, LOW, HIGH = (44_100, "stereo"), (22_050, "mono"), 300.0, 800.0


def joined(container: str, codec: str, first: tuple[int, str], second: tuple[int, str]) -> bytes:
    content = b""
    for (rate, layout), hertz in ((first, LOW), (second, HIGH)):
        samples = tone(rate, 1.5, hertz)
        samples = samples if layout == "mono" else np.stack([samples, samples], 1)
        content += encode(container, codec, rate, samples)
    return content


@pytest.mark.parametrize(
    ("container", "codec", "first", "second"),
    [
        ("flac", "flac", A, B), ("flac", "flac", B, A), ("wav", "pcm_s16le", A, B), ("aiff", "pcm_s16be", B, A),
        ("mp3", "libmp3lame", A, B), ("mp3", "libmp3lame", B, A), ("adts", "aac", A, B),
        ("ogg", "libopus", (48_000, "mono"), (48_000, "stereo")), ("webm", "libopus", (48_000, "stereo"), (48_000, "mono")),
        ("mp4", "aac", A, B), ("ipod", "alac", B, A), ("mov", "pcm_s16le", A, B), ("3gp", "libopencore_amrnb", PHONE, PHONE),
        ("w64", "pcm_s16le", A, B), ("caf", "pcm_s16be", B, A), ("au", "pcm_s16be", A, B),
        ("amr", "libopencore_amrnb", PHONE, PHONE),
    ],
)  # fmt: skip
def test_joined_recordings_are_decoded_one_after_the_other(container, codec, first, second):
    recording = load_recording(joined(container, codec, first, second))
    assert recording.duration_s == pytest.approx(3.0, abs=0.15)
    assert (recording.source_sample_rate_hz, recording.source_channels) == (first[0], 1 + (first[1] == "stereo"))
    assert np.abs(recording.waveform).max() < 0.6  # no crack at the seam
    for start_s, hertz in ((0.3, LOW), (2.0, HIGH)):
        piece = recording.waveform[int(start_s * SAMPLE_RATE_HZ) :][: SAMPLE_RATE_HZ // 2]
        assert np.abs(np.fft.rfft(piece)).argmax() * 2 == pytest.approx(hertz, abs=5)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("wav", "pcm_s16le"), ("ipod", "aac")),
        (("mp4", "aac"), ("ogg", "libopus")),
        (("ogg", "libopus"), ("mp4", "aac")),
        (("adts", "aac"), ("wav", "pcm_s16le")),
    ],
)
def test_joined_recordings_of_two_formats_are_decoded_one_after_the_other(first, second):
    content = [encode(*kind, 48_000, tone(48_000, 2.0)) for kind in (first, second)]
    assert load_recording(b"".join(content)).duration_s == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [
        ("wav", "pcm_s16le", {}), ("wav", "pcm_s24le", {}), ("wav", "pcm_mulaw", {}),
        ("wav", "pcm_s16le", {"rf64": "always"}), ("w64", "pcm_s16le", {}), ("caf", "pcm_s16be", {}), ("aiff", "pcm_s16be", {}),
        ("au", "pcm_s16be", {}),
    ],
)  # fmt: skip
def test_a_file_that_holds_less_than_its_header_promises_is_cut_off(container, codec, options):
    """Of PCM in wav, w64 and caf, FFmpeg counts what is there and not what was promised."""
    content = encode(container, codec, SAMPLE_RATE_HZ, tone(SAMPLE_RATE_HZ, 4.0), **options)
    assert "announces 4.0 s, only 2.0 s" in refusal(content[: len(content) // 2])
    assert "announces 8.0 s, only 6.0 s" in refusal(content + content[: len(content) // 2])
    assert load_recording(content[:-50]).duration_s == pytest.approx(4.0, abs=0.05)
    short = encode(container, codec, SAMPLE_RATE_HZ, tone(SAMPLE_RATE_HZ, 1.5), **options)
    assert "announces 1.5 s, only 0.8 s" in refusal(short[: len(short) // 2 + 100]), "less than a second is missing, and half"


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFFF])
def test_a_recorder_that_could_not_go_back_to_its_header_promised_nothing(size):
    content = wav(tone(SAMPLE_RATE_HZ, 3.0))
    at = content.index(b"data") + 4
    assert load_recording(content[:at] + struct.pack("<I", size) + content[at + 4 :]).duration_s == 3.0


def test_more_joined_recordings_than_anybody_joins_are_refused():
    assert "give them one by one" in refusal(wav(np.zeros(8)) * 200)


def test_the_power_of_the_channels_stays_in_time_where_mono_is_joined_to_stereo():
    stereo = np.stack([tone(SAMPLE_RATE_HZ), 0.1 * tone(SAMPLE_RATE_HZ)], 1)
    power = load_recording(wav(tone(SAMPLE_RATE_HZ)) + wav(stereo)).channel_power
    assert power.shape == (2, 200)
    assert power[0, 50] == pytest.approx(power[1, 50]) and power[0, 150] > 50 * power[1, 150]


def speech_then_silence(sample_rate_hz: int) -> np.ndarray:
    """Sound whose bit rate varies: by its first packets, FFmpeg takes it for shorter or longer than it is."""
    samples = np.random.default_rng(0).normal(0, 0.1, 12 * sample_rate_hz)
    samples[3 * sample_rate_hz :] = 0
    return samples


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize(("container", "codec"), [("adts", "aac"), ("mp3", "libmp3lame")])
def test_a_length_that_ffmpeg_only_estimates_refuses_nothing(container, codec, in_order):
    samples = speech_then_silence(44_100)[:: 1 if in_order else -1]
    options = {"flags": "+qscale", "global_quality": "236"} if codec == "libmp3lame" else {}
    header = {"write_xing": "0", "id3v2_version": "0"} if container == "mp3" else {}
    content = encode(container, codec, 44_100, samples, options, **header)
    with av.open(io.BytesIO(content)) as estimated:
        assert abs(estimated.duration / av.time_base - 12) > 1, "an estimate that happens to be right proves nothing"
    assert load_recording(content, max_duration_s=13).duration_s == pytest.approx(12, abs=0.1)


def test_an_mp3_that_counts_its_frames_is_believed():
    content = encode("mp3", "libmp3lame", 44_100, speech_then_silence(44_100))
    assert "is cut off" in refusal(content[: len(content) // 2])
    assert "lasts 0 minutes" in refusal(content, max_duration_s=5)


def test_a_failing_disk_is_told_in_one_sentence():
    class Failing(io.BytesIO):
        def read(self, n_bytes=-1):
            if self.tell() > 20_000:
                raise OSError(5, "Input/output error")
            return super().read(n_bytes)

    assert "Input/output error" in refusal(Failing(wav(tone(SAMPLE_RATE_HZ, 10))))
