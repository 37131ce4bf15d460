"""Any common format comes in as the same sound; anything else is refused in one sentence."""

import io
import os
from pathlib import Path

import av
import numpy as np
import pytest

from medalign.core.audio import SAMPLE_RATE_HZ, load_recording
from medalign.core.errors import AudioError

TONE_S = 3.0


def tone(sample_rate_hz: int, duration_s: float = TONE_S) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 300 * np.arange(int(duration_s * sample_rate_hz)) / sample_rate_hz)


def encode(path, codec: str, sample_rate_hz: int = 48_000, duration_s: float = TONE_S) -> str:
    """A stereo tone in the container that the path's ending names."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=sample_rate_hz, layout="stereo")
        samples = np.tile(tone(sample_rate_hz, duration_s), (2, 1)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.sample_rate = sample_rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return str(path)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mp3", "libmp3lame"), ("a.m4a", "aac"), ("a.mp4", "aac"),
        ("a.ogg", "libopus"), ("a.webm", "libopus"),
    ],
)  # fmt: skip
def test_every_format_decodes_to_the_same_tone(tmp_path, name, codec):
    recording = load_recording(encode(tmp_path / name, codec))
    assert recording.duration_s == pytest.approx(TONE_S, abs=0.1)
    assert recording.source_channels == 2
    spectrum = np.abs(np.fft.rfft(recording.waveform[: SAMPLE_RATE_HZ * 2]))
    assert spectrum.argmax() / 2 == pytest.approx(300, abs=2)  # bins of half a hertz
    assert np.abs(recording.waveform).max() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("sample_rate_hz", [8_000, 11_025, 22_050, 44_100, 96_000])
def test_every_sample_rate_keeps_pitch_and_length(write_wav, sample_rate_hz):
    recording = load_recording(write_wav("tone.wav", tone(sample_rate_hz), sample_rate_hz))
    assert recording.source_sample_rate_hz == sample_rate_hz
    assert recording.duration_s == pytest.approx(TONE_S, abs=0.02)
    assert np.abs(np.fft.rfft(recording.waveform[: SAMPLE_RATE_HZ * 2])).argmax() / 2 == pytest.approx(300, abs=2)


def test_the_power_of_each_channel_is_kept_where_they_differ(write_wav):
    left = np.zeros(SAMPLE_RATE_HZ, np.float32)
    left[: SAMPLE_RATE_HZ // 2] = 0.2
    right = 0.1 - left / 2
    power = load_recording(write_wav("stereo.wav", np.stack([left, right], 1))).channel_power
    assert power.shape == (2, 100)
    assert np.allclose(power[:, 10], [0.04, 0.0], atol=1e-4) and np.allclose(power[:, 90], [0.0, 0.01], atol=1e-4)
    assert load_recording(write_wav("same.wav", np.stack([left, left], 1))).channel_power is None
    assert load_recording(write_wav("mono.wav", left)).channel_power is None


def test_stereo_is_the_mean_of_its_channels(write_wav):
    left, right = tone(SAMPLE_RATE_HZ), np.zeros(int(TONE_S * SAMPLE_RATE_HZ))
    waveform = load_recording(write_wav("stereo.wav", np.stack([left, right], 1))).waveform
    assert np.abs(waveform - left / 2).max() < 1e-3


def bad_files(tmp_path, write_wav) -> dict[str, tuple[str, str]]:
    """Name -> (path, what the sentence must say)."""
    mp3 = encode(tmp_path / "whole.mp3", "libmp3lame", duration_s=20)
    with open(mp3, "rb") as whole, open(tmp_path / "cut.mp3", "wb") as cut:
        content = whole.read()
        cut.write(content[: len(content) // 2])
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("This is a shopping list, not a recording.\n" * 40)
    with av.open(str(tmp_path / "video.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 64
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
        container.mux([*stream.encode(frame), *stream.encode(None)])
    nan = tone(SAMPLE_RATE_HZ)
    nan[20_000] = np.nan
    return {
        "empty": (str(tmp_path / "empty.wav"), "is empty"),
        "text": (str(tmp_path / "text.wav"), "can't be read as audio"),
        "cut mp3": (str(tmp_path / "cut.mp3"), "is cut off"),
        "short": (write_wav("short.wav", tone(SAMPLE_RATE_HZ, 0.1)), "at least 0.5 s"),
        "eight channels": (write_wav("eight.wav", np.tile(tone(8_000)[:, None], 8), 8_000), "8 channels"),
        "video": (str(tmp_path / "video.mp4"), "no audio track"),
        "nan": (write_wav("nan.wav", nan, subtype="FLOAT"), "not numbers"),
        "three hours": (write_wav("long.wav", np.zeros(3 * 3600 * 1000), 1_000, "PCM_U8"), "limit is 60 minutes"),
        "missing": (str(tmp_path / "nowhere.wav"), "does not exist"),
        "folder": (str(tmp_path), "is not a file"),
    }


def test_each_bad_file_is_refused_in_one_sentence_that_helps(tmp_path, write_wav):
    for name, (path, says) in bad_files(tmp_path, write_wav).items():
        with pytest.raises(AudioError) as caught:
            load_recording(path)
        message = str(caught.value)
        assert says in message, f"{name}: {message}"
        assert "\n" not in message and len(message) < 250
        assert ";" in message, f"{name} doesn't say what to do: {message}"


def test_a_file_over_the_size_limit_is_refused_before_it_is_opened(write_wav):
    path = write_wav("tone.wav", tone(SAMPLE_RATE_HZ))
    with pytest.raises(AudioError, match="the limit is 0 MB"):
        load_recording(path, max_bytes=1000)


def test_the_length_limit_holds_when_the_header_does_not_tell(tmp_path):
    path = encode(tmp_path / "silent-about-it.webm", "libopus", duration_s=5)
    with pytest.raises(AudioError, match="limit"):
        load_recording(path, max_duration_s=2)


def test_a_recording_in_a_closed_folder_is_refused_in_one_sentence(closed_folder):
    with pytest.raises(AudioError, match="can't be read .Permission denied.; check its permissions"):
        load_recording(closed_folder / "recording.wav")


def test_path_bytes_file_and_samples_give_the_same_recording(write_wav):
    left, right = tone(44_100), np.zeros(int(TONE_S * 44_100))
    stereo = np.stack([left, right], 1)
    path = write_wav("tone.wav", stereo, 44_100)
    expected = load_recording(path)
    content = Path(path).read_bytes()
    with open(path, "rb") as file:
        file.seek(100)  # wherever it stands
        from_file = load_recording(file)
    assert from_file.name == "tone.wav" and load_recording(content).name == "recording"
    for got in (
        from_file,
        load_recording(content),
        load_recording(stereo, sample_rate_hz=44_100),
        load_recording(np.round(stereo * 32767).astype(np.int16), sample_rate_hz=44_100),
    ):
        assert got.source_sample_rate_hz == 44_100 and got.source_channels == 2
        assert got.waveform.shape == expected.waveform.shape
        assert np.abs(got.waveform - expected.waveform).max() < 1e-3
        assert np.allclose(got.channel_power, expected.channel_power, atol=1e-3)


@pytest.mark.parametrize(
    ("source", "sample_rate_hz", "says"),
    [
        (tone(SAMPLE_RATE_HZ), None, "without their rate"),
        (tone(SAMPLE_RATE_HZ), 0, "samples a second"),
        (np.where(np.arange(48_000) == 20_000, np.nan, 0.1), SAMPLE_RATE_HZ, "not numbers"),
        (np.zeros((16_000, 3)), SAMPLE_RATE_HZ, "3 channels"),
        (np.zeros((2, 2, 2)), SAMPLE_RATE_HZ, "shape"),
        (np.array(["a"]), SAMPLE_RATE_HZ, "floats or signed integers"),
        (np.zeros(100), SAMPLE_RATE_HZ, "at least 0.5 s"),
        (np.zeros(0), SAMPLE_RATE_HZ, "without samples"),
        (np.zeros((0, 2)), SAMPLE_RATE_HZ, "without samples"),
        (np.zeros((9, 0)), SAMPLE_RATE_HZ, "without samples"),
        (tone(SAMPLE_RATE_HZ), "16000", "'16000', a str; give a number"),
        (tone(SAMPLE_RATE_HZ), np.nan, "samples a second"),
        (io.StringIO("RIFF"), None, "opened as text"),
        (b"", None, "is empty"),
        (b"not a recording" * 99, None, "can't be read as audio"),
        (b"RIFF", SAMPLE_RATE_HZ, "leave it out"),
        (bytearray(b"not a recording"), None, "can't be read as audio"),
        (memoryview(b""), None, "is empty"),
        *[(odd, SAMPLE_RATE_HZ, f"type {type(odd).__name__}; .*numpy") for odd in ([0.1], (0.1,), {}, 3, None)],
        ("", None, "path of the recording is empty"),
        (tone(SAMPLE_RATE_HZ) * 2**15, SAMPLE_RATE_HZ, r"up to 16384, .* divide"),
        ((tone(SAMPLE_RATE_HZ) * 2**15).astype(np.int32), SAMPLE_RATE_HZ, "give them as int16"),
        ((tone(SAMPLE_RATE_HZ) * 2**15).astype(np.int64), SAMPLE_RATE_HZ, "8, 16 or 32 bits"),
        ((tone(SAMPLE_RATE_HZ) * 2**7).astype(np.uint8), SAMPLE_RATE_HZ, "8, 16 or 32 bits"),
    ],
)
def test_each_bad_array_or_content_is_refused_in_one_sentence(source, sample_rate_hz, says):
    with pytest.raises(AudioError, match=says):
        load_recording(source, sample_rate_hz=sample_rate_hz)


def test_a_fifo_or_a_device_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "fifo.wav")
    for path in (tmp_path / "fifo.wav", "/dev/null"):
        with pytest.raises(AudioError, match="is not a file"):
            load_recording(path)


def inverted(duration_s: float = TONE_S) -> np.ndarray:
    """One sound on both channels, with opposite signs, and a little noise of each."""
    noise = np.random.default_rng(0).normal(0, 0.01, (int(duration_s * SAMPLE_RATE_HZ), 2))
    return tone(SAMPLE_RATE_HZ, duration_s)[:, None] * [0.9, -0.7] + noise


def test_channels_that_would_cancel_each_other_out_are_noticed(write_wav):
    expected = tone(SAMPLE_RATE_HZ) * 0.8
    for recording in (
        load_recording(write_wav("inverted.wav", inverted())),
        load_recording(inverted(), sample_rate_hz=SAMPLE_RATE_HZ),
    ):
        assert recording.is_inverted and recording.channel_power is None and recording.source_channels == 2
        assert np.abs(recording.waveform - expected).max() < 0.05


def test_a_mono_part_beside_inverted_channels_is_kept(write_wav):
    mono = tone(SAMPLE_RATE_HZ, 0.5)
    parts = [Path(write_wav(f"{i}.wav", part)).read_bytes() for i, part in enumerate((inverted(), mono))]
    recording = load_recording(b"".join(parts))
    assert recording.is_inverted and np.abs(recording.waveform[-len(mono) :] - mono).max() < 1e-3


@pytest.mark.parametrize(
    "right",
    [
        pytest.param(np.random.default_rng(1).normal(0, 0.2, 48_000), id="another sound"),
        pytest.param(tone(SAMPLE_RATE_HZ), id="the same sound"),
        pytest.param(np.zeros(48_000), id="silence"),
        pytest.param(-0.2 * tone(SAMPLE_RATE_HZ) + 0.5 * np.random.default_rng(1).normal(0, 1, 48_000), id="crosstalk"),
    ],
)
def test_channels_that_differ_are_not_turned_over(right):
    left = tone(SAMPLE_RATE_HZ)
    recording = load_recording(np.stack([left, right], 1) * 0.5, sample_rate_hz=SAMPLE_RATE_HZ)
    assert not recording.is_inverted
    assert np.abs(recording.waveform - np.clip((left + right) / 4, -1, 1)).max() < 1e-3


def test_opposite_constants_are_not_an_inverted_sound():
    samples = np.stack([0.1 * tone(SAMPLE_RATE_HZ) + 0.4, 0.1 * tone(SAMPLE_RATE_HZ) - 0.4], 1)
    assert not load_recording(samples, sample_rate_hz=SAMPLE_RATE_HZ).is_inverted


@pytest.mark.parametrize("n_channels", [1, 2])
def test_the_share_of_clipped_samples_is_known(write_wav, n_channels):
    """40 dB too loud on one channel, the other as it should be."""
    loud = np.clip(tone(48_000) * 100, -1, 1)
    samples = loud if n_channels == 1 else np.stack([0.1 * tone(48_000), loud], 1)
    assert load_recording(write_wav("loud.wav", samples, 48_000)).clipped_share > 0.4
    assert load_recording(write_wav("fine.wav", tone(48_000), 48_000)).clipped_share == 0


def speech_like(peak: float, duration_s: float = 4.0) -> np.ndarray:
    """Noise in syllables, and a door of full scale for 30 ms."""
    rng = np.random.default_rng(0)
    times_s = np.arange(int(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    samples = rng.normal(0, 0.3, len(times_s)) * (np.sin(2 * np.pi * 3 * times_s) > 0)
    samples = peak * samples / np.abs(samples).max()
    samples[1_000:1_480] = 0.9 * rng.choice([-1, 1], 480)
    return samples


def test_a_very_quiet_recording_is_raised_for_the_models_and_nothing_else_is():
    quiet, usual = (load_recording(speech_like(peak), sample_rate_hz=SAMPLE_RATE_HZ) for peak in (0.001, 0.3))
    assert quiet.is_quiet and np.abs(quiet.waveform[2_000:]).max() == pytest.approx(0.001, rel=0.01)
    assert 0.1 < np.abs(quiet.levelled[2_000:]).max() <= 1 and np.abs(quiet.levelled).max() <= 1
    assert not usual.is_quiet and usual.levelled is usual.waveform


@pytest.mark.parametrize("magnitude", [0.0, 3e-5, 1e-4])
def test_a_muted_microphone_is_silent_and_not_quiet(magnitude):
    samples = magnitude * np.random.default_rng(0).choice([-1.0, 0.0, 1.0], 2 * SAMPLE_RATE_HZ)
    recording = load_recording(samples, sample_rate_hz=SAMPLE_RATE_HZ)
    assert not recording.is_quiet and recording.levelled is recording.waveform


def test_one_loud_second_in_a_long_silence_is_not_quiet():
    samples = 1e-3 * np.random.default_rng(0).normal(0, 1, 300 * SAMPLE_RATE_HZ)
    samples[SAMPLE_RATE_HZ : 2 * SAMPLE_RATE_HZ] += tone(SAMPLE_RATE_HZ, 1.0)
    assert not load_recording(samples, sample_rate_hz=SAMPLE_RATE_HZ).is_quiet
