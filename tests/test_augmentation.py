"""What is done to speech stays in time with it, is drawn from the generator alone, and leaves the length as it was."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from counting import calls_of

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import DataError
from medalign.training.data.augmentation import CODECS, NoiseClips, codec, degrade


def bursts(duration_s: float, seed: int = 0) -> np.ndarray:
    """Syllables of a machine: a buzz with drifting pitch and a little noise, loud and soft four times a second."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t)) / SAMPLE_RATE_HZ
    # From the fourth harmonic up, all lies within a telephone's band.
    buzz = sum(np.sin(n * phase + rng.uniform(0, 6)) / n for n in range(4, 20)) + 0.05 * rng.standard_normal(len(t))
    return (0.2 * buzz * (0.5 - 0.5 * np.cos(2 * np.pi * 4 * t * (1 + 0.2 * np.sin(t))))).astype(np.float32)


def correlation_peak(a: np.ndarray, b: np.ndarray) -> tuple[int, float]:
    """The shift of b against a, in samples, at which they correlate best, and that correlation."""
    n = 2 * len(a)
    products = np.fft.irfft(np.fft.rfft(b, n) * np.conj(np.fft.rfft(a, n)), n)
    lag = int(products.argmax())
    return lag if lag < len(a) else lag - n, float(products.max() / np.linalg.norm(a) / np.linalg.norm(b))


def clip_folder(folder: Path, rows: list[str], header: str = "path", level: float = 0.1) -> Path:
    """A folder of tones, each of another pitch, one for each row of its manifest."""
    folder.mkdir(exist_ok=True)
    for i, row in enumerate(rows):
        tone = level * np.sin(2 * np.pi * (300 + 200 * i) * np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)
        tone[SAMPLE_RATE_HZ // 2 :] = 0  # padded with silence, as many clips are
        soundfile.write(folder / row.split(",")[0], tone, SAMPLE_RATE_HZ)
    (folder / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


@pytest.mark.parametrize(
    ("name", "bit_rate"),
    [("opus", 8_000), ("opus", 16_000), ("opus", 24_000), ("mp3", 24_000), ("mp3", 48_000), ("pcm_alaw", 0), ("pcm_mulaw", 0)],
)
def test_a_codec_keeps_length_and_time_and_is_not_idle(name, bit_rate):
    speech = bursts(6.0)
    heard = codec(speech, name, bit_rate)
    assert heard.shape == speech.shape and heard.dtype == np.float32
    lag, correlation = correlation_peak(speech, heard)
    assert abs(lag) <= 0.005 * SAMPLE_RATE_HZ and correlation > 0.8
    assert np.abs(heard - speech).max() > 1e-3
    assert np.array_equal(heard, codec(speech, name, bit_rate))


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("n_samples", [1, 777, 20_001])
def test_a_codec_takes_any_length_and_silence(name, n_samples):
    assert codec(np.zeros(n_samples, np.float32), name, 24_000).shape == (n_samples,)
    assert np.abs(codec(np.full(n_samples, 3.0, np.float32), name, 24_000)).max() <= 1


def test_an_unknown_codec_and_a_missing_bit_rate_are_refused():
    with pytest.raises(ValueError, match="unknown codec 'wax'"):
        codec(np.zeros(9, np.float32), "wax", 8_000)
    with pytest.raises(ValueError, match="opus needs a bit rate"):
        codec(np.zeros(9, np.float32), "opus")


def test_clips_fill_any_length_without_gaps_and_are_drawn_from_the_generator_alone(tmp_path):
    clips = NoiseClips.from_folders([clip_folder(tmp_path / "tones", [f"{i}.wav" for i in range(5)])])
    noise = clips.draw(5 * SAMPLE_RATE_HZ + 7, np.random.default_rng(1))
    assert noise.shape == (5 * SAMPLE_RATE_HZ + 7,) and noise.dtype == np.float32
    frames = noise[: 5 * SAMPLE_RATE_HZ].reshape(-1, SAMPLE_RATE_HZ // 10)
    assert np.sqrt(np.mean(frames**2, 1)) == pytest.approx(1, abs=0.3)
    fresh = NoiseClips.from_folders([tmp_path / "tones"])
    assert np.array_equal(fresh.draw(len(noise), np.random.default_rng(1)), noise)
    assert not np.array_equal(fresh.draw(len(noise), np.random.default_rng(2)), noise)


def test_clips_kept_for_testing_are_not_trained_with(tmp_path):
    folds = clip_folder(tmp_path / "folds", [f"{i}.wav,{i}" for i in range(1, 6)], "path,fold")
    splits = clip_folder(tmp_path / "splits", ["a.wav,train", "b.wav,valid"], "path,split")
    neither = clip_folder(tmp_path / "neither", ["c.wav"])

    clips = NoiseClips.from_folders([folds, splits, neither])
    assert [[path.stem for path in folder] for folder in clips.folders] == [["1", "2", "3", "4"], ["a"], ["c"]]


def test_silent_clips_are_passed_over(tmp_path):
    loud = clip_folder(tmp_path / "loud", ["0.wav"])
    silent = clip_folder(tmp_path / "silent", ["0.wav"], level=1e-4)
    both = NoiseClips.from_folders([loud, silent]).draw(3 * SAMPLE_RATE_HZ, np.random.default_rng(0))
    assert np.mean(both**2) == pytest.approx(1, abs=0.1)
    with pytest.raises(DataError, match="are silent"):
        NoiseClips.from_folders([silent]).draw(9, np.random.default_rng(0))


def test_a_clip_with_samples_that_are_no_numbers_is_named(tmp_path):
    folder = clip_folder(tmp_path / "clips", ["0.wav"])
    soundfile.write(folder / "0.wav", np.array([0.1, np.nan] * 8000), SAMPLE_RATE_HZ, subtype="FLOAT")
    with pytest.raises(DataError, match="0.wav holds samples that are not numbers"):
        NoiseClips.from_folders([folder]).draw(9, np.random.default_rng(0))


def test_a_folder_without_clips_is_told_in_one_sentence(tmp_path):
    with pytest.raises(DataError, match="manifest.csv is missing"):
        NoiseClips.from_folders([tmp_path])
    (tmp_path / "manifest.csv").write_text("file\nx.wav\n")
    with pytest.raises(DataError, match="manifest.csv lacks the column path"):
        NoiseClips.from_folders([tmp_path])
    (tmp_path / "manifest.csv").write_text("path\n")
    with pytest.raises(DataError, match="lists no clip"):
        NoiseClips.from_folders([tmp_path])
    (tmp_path / "manifest.csv").write_text("path,split\ngone.wav,valid\n")
    with pytest.raises(DataError, match="lists no clip to train with"):
        NoiseClips.from_folders([tmp_path])
    (tmp_path / "manifest.csv").write_text("path,split\ngone.wav,train\n")
    with pytest.raises(DataError, match="gone.wav can't be read"):
        NoiseClips.from_folders([tmp_path]).draw(9, np.random.default_rng(0))


def test_degrading_is_a_pure_function_of_speech_generator_and_clips(tmp_path):
    clips = NoiseClips.from_folders([clip_folder(tmp_path / "tones", [f"{i}.wav" for i in range(5)])])
    speech = bursts(121.0)
    for noise in (None, clips):
        heard = degrade(speech, np.random.default_rng(0), noise)
        assert heard.shape == speech.shape and heard.dtype == np.float32 and np.abs(heard).max() <= 1
        assert np.isfinite(heard).all()
        assert np.array_equal(degrade(speech, np.random.default_rng(0), noise), heard)
        assert correlation_peak(speech, heard)[0] == pytest.approx(0, abs=0.005 * SAMPLE_RATE_HZ)
    assert not np.array_equal(degrade(speech, np.random.default_rng(0)), heard)


def test_the_work_of_degrading_grows_with_the_length_alone(tmp_path):
    clips = NoiseClips.from_folders([clip_folder(tmp_path / "tones", [f"{i}.wav" for i in range(5)])])
    minute = bursts(60.0)
    degrade(minute, np.random.default_rng(0), clips)  # decodes the clips, once

    def calls(waveform: np.ndarray, seed: int) -> int:
        return calls_of(lambda: degrade(waveform, np.random.default_rng(seed), clips))

    apart, together = sum(calls(minute, seed) for seed in range(6)), calls(np.tile(minute, 6), 0)
    assert together < 3 * apart  # what is done to a section is drawn; quadratic work would be six times as much
