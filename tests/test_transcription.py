"""Words with their times, and none where nobody speaks."""

import csv
import json
import os
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import jiwer
import numpy as np
import pytest
from faster_whisper import vad
from faster_whisper.feature_extractor import FeatureExtractor

from medalign.concepts import ConceptBank
from medalign.concepts.measurements import find_measurements
from medalign.core.assets import EXAMPLES
from medalign.core.audio import SAMPLE_RATE_HZ, Recording, load_recording
from medalign.core.transcript import Word
from medalign.evaluation.word_errors import normalize
from medalign.models.faster_whisper import FRAMES_PER_S, _finished
from medalign.models.log_mel import PiecewiseFeatureExtractor
from medalign.models.transcription import speech_stretches
from medalign.models.voice_activity import PiecewiseSession
from medalign.training.data.voices import speak

DATA = Path(os.environ.get("MEDALIGN_DATA", Path(__file__).parents[2] / "shared" / "data"))
LIBRISPEECH = DATA / "speech" / "librispeech_test_other"


def word_error_rate(references: list[str], hypotheses: list[str]) -> float:
    return jiwer.wer([normalize(text) for text in references], [normalize(text) for text in hypotheses])


def test_examples_are_transcribed_with_few_errors(analyses, examples):
    references = [" ".join(turn.text for turn in example.turns) for example in examples.values()]
    hypotheses = [analyses[slug].transcript.text for slug in examples]
    assert word_error_rate(references, hypotheses) < 0.15


@pytest.mark.slow
def test_read_speech_is_transcribed_with_few_errors(transcriber, streamed, examples):
    """LibriSpeech where it is at hand: real voices; otherwise the bundled examples stand in, as they are written today.

    Each push has the test above, of the words that are stored, and `test_examples`, of what is written today.
    """
    if LIBRISPEECH.is_dir():
        with open(LIBRISPEECH / "manifest.csv", newline="", encoding="utf-8") as file:
            rows = [(LIBRISPEECH / row["path"], row["text"]) for row in list(csv.DictReader(file))[::4]]
        hypotheses = [transcriber.transcribe(load_recording(path)).text for path, _ in rows]
    else:
        rows = [(e.audio_path, " ".join(turn.text for turn in e.turns)) for e in examples.values()]
        hypotheses = [streamed(path)[-2].transcript.text for path, _ in rows]
    assert word_error_rate([text for _, text in rows], hypotheses) < 0.25


def test_times_lie_in_the_recording_and_never_run_backwards(analyses):
    for analysis in analyses.values():
        words = analysis.transcript.words
        assert all(0 <= w.start_s <= w.end_s <= analysis.recording.duration_s for w in words)
        assert all(a.start_s <= b.start_s for a, b in zip(words, words[1:], strict=False))
        for segment in analysis.transcript.segments:
            assert all(segment.start_s <= w.start_s and w.end_s <= segment.end_s for w in segment.words)
            assert all(0 <= w.probability <= 1 for w in segment.words)


def test_words_stand_where_they_were_spoken(analyses, examples):
    """The first word of the recording starts within half a second of the truth."""
    for slug, analysis in analyses.items():
        assert analysis.transcript.words[0].start_s == pytest.approx(examples[slug].turns[0].start_s, abs=0.5)


@pytest.mark.slow
def test_ten_seconds_of_leading_silence_move_every_word_by_ten_seconds(transcriber, examples):
    waveform = load_recording(examples["low-mood"].audio_path).waveform[: 20 * SAMPLE_RATE_HZ]
    late = np.concatenate([np.zeros(10 * SAMPLE_RATE_HZ, np.float32), waveform])
    plain_words = transcriber.transcribe(Recording("a", waveform, SAMPLE_RATE_HZ, 1)).words
    late_words = transcriber.transcribe(Recording("b", late, SAMPLE_RATE_HZ, 1)).words
    assert late_words[0].start_s == pytest.approx(plain_words[0].start_s + 10, abs=0.5)
    assert late_words[-1].end_s <= 30
    assert all(a.start_s <= b.start_s for a, b in zip(late_words, late_words[1:], strict=False))


def test_speech_fifty_decibels_below_the_usual_is_heard_and_written(transcriber, examples):
    waveform = load_recording(examples["chest-pain"].audio_path).waveform[: 8 * SAMPLE_RATE_HZ]
    quiet = (np.round(waveform * 10 ** (-50 / 20) * 32_768) / 32_768).astype(np.float32)  # in 16 bits
    recording = Recording("quiet", quiet, SAMPLE_RATE_HZ, 1)
    assert np.diff(speech_stretches(recording)).sum() > 6
    assert "i hear you have had some chest pain" in transcriber.transcribe(recording).text.lower()


def test_no_word_is_invented_where_nobody_speaks(analyzer, not_speech, write_wav):
    for name, waveform in not_speech.items():
        analysis = analyzer.analyze(write_wav("nobody.wav", waveform))
        assert analysis.transcript.words == (), name
        assert analysis.concepts == (), name
        assert any("No speech detected" in warning for warning in analysis.warnings), name
        assert not any(window.is_mismatch for window in analysis.alignment.windows), name


def test_the_recogniser_finds_what_was_said_likelier_than_what_was_not_and_an_offered_name_likelier_than_before(
    transcriber, examples
):
    example = examples["chest-pain"]
    turn = next(t for t in example.turns if len(t.text.split()) >= 6)
    waveform = load_recording(example.audio_path).waveform
    sound = transcriber.encode(waveform[: 30 * SAMPLE_RATE_HZ])
    assert sound.shape[0] == 30 * FRAMES_PER_S and sound.dtype == np.float32
    first, last = round(turn.start_s * FRAMES_PER_S), round(turn.end_s * FRAMES_PER_S)
    words = turn.text.split()
    wrong = " ".join([*words[:2], "salbutamol", *words[3:]])
    true_score, wrong_score = transcriber.log_likelihoods(sound[first:last], [turn.text, wrong])
    assert true_score > wrong_score + 3
    _, offered = transcriber.log_likelihoods(sound[first:last], [turn.text, wrong], "salbutamol")
    assert offered > wrong_score
    assert transcriber.log_likelihoods(sound[first:last], []).shape == (0,)


@pytest.mark.parametrize("n_samples", [10 * 1600 + 1, 10 * 1600 + 159, 99_999, 160_000])
def test_a_spectrogram_in_pieces_is_that_of_the_whole(monkeypatch, n_samples):
    monkeypatch.setattr(PiecewiseFeatureExtractor, "piece_frames", 100)
    waveform = np.random.default_rng(0).normal(size=n_samples) * np.linspace(0, 0.5, n_samples)
    whole = FeatureExtractor()(waveform.astype(np.float32))
    in_pieces = PiecewiseFeatureExtractor()(waveform.astype(np.float32))
    assert in_pieces.shape == whole.shape and in_pieces.dtype == whole.dtype == np.float32
    assert np.abs(in_pieces - whole).max() < 1e-5


def test_a_long_recording_takes_a_part_of_the_memory(monkeypatch):
    monkeypatch.setattr(PiecewiseFeatureExtractor, "piece_frames", 3000)
    waveform = np.zeros(300 * SAMPLE_RATE_HZ, np.float32)
    peaks = []
    for extractor in (FeatureExtractor(), PiecewiseFeatureExtractor()):
        tracemalloc.start()
        extractor(waveform)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] / 4


def test_voices_are_found_in_pieces_as_in_the_whole(examples):
    vad.get_vad_model.cache_clear()
    detector, waveform = vad.get_vad_model(), load_recording(examples["upset-stomach"].audio_path).levelled[: 512 * 1700]
    whole = detector(waveform.copy())  # it writes into what it is given
    detector.session = PiecewiseSession(detector.session)
    assert np.array_equal(detector(waveform.copy()), whole) and 0.1 < (whole > 0.5).mean() < 0.99


def written_by(mkl: str, slug: str) -> tuple[list[str], list[float], str]:
    """What one backend writes of the first 12 s of an example. A process has one backend, from its start."""
    code = (
        "import json, sys; from dataclasses import replace; from medalign import load_recording; "
        "from medalign.models.transcription import load_transcriber; "
        "recording = load_recording(sys.argv[1]); part = replace(recording, waveform=recording.waveform[: 12 * 16000]); "
        "recogniser = load_transcriber(); words = recogniser.transcribe(part).words; "
        "print(json.dumps([[w.text for w in words], [w.probability for w in words], recogniser.info.runtime]))"
    )
    command = [sys.executable, "-c", code, str(EXAMPLES / f"{slug}.flac")]
    done = subprocess.run(command, env={**os.environ, "CT2_USE_MKL": mkl}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("slug", ["cough-and-wheeze", pytest.param("upset-stomach-noisy", marks=pytest.mark.slow)])
def test_words_do_not_depend_on_the_processor(slug):
    """CTranslate2 multiplies by MKL on Intel's processors and by oneDNN on others; either can be asked for anywhere."""
    (words, probabilities, runtime), (other_words, other_probabilities, _) = (written_by(mkl, slug) for mkl in "01")
    assert len(words) > 20 and words == other_words
    assert probabilities == pytest.approx(other_probabilities, abs=1e-3)
    assert "float32" in runtime and "cpu" in runtime


@pytest.mark.slow
def test_a_recording_is_written_the_same_each_time(transcriber):
    """White noise under faint speech makes the recogniser doubt; it must not draw lots."""
    recording = load_recording(EXAMPLES / "upset-stomach-noisy.flac")
    noise = np.random.default_rng(0).normal(0, 0.05, 20 * SAMPLE_RATE_HZ).astype(np.float32)
    doubtful = Recording("doubtful.wav", recording.waveform[: len(noise)] + noise, SAMPLE_RATE_HZ, 1)
    first = transcriber.transcribe(doubtful)
    with ThreadPoolExecutor(2) as both:  # as two readers' recordings are written at a time
        second, third = both.map(transcriber.transcribe, [doubtful, doubtful])
    assert first == second == third


def finished(*parts: tuple[str, float, float, float], earliest_s: float = 0.0, duration_s: float = 60.0):
    """What our module makes of faster-whisper's words."""
    words = [SimpleNamespace(word=text, start=start_s, end=end_s, probability=p) for text, start_s, end_s, p in parts]
    found = SimpleNamespace(words=words, avg_logprob=-0.2, no_speech_prob=0.01)
    return _finished(found, earliest_s, duration_s)


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ((" 38", ".9"), "38.9"),
        ((" 62", ".5"), "62.5"),
        ((" 10", ",000"), "10,000"),
        ((" x", "-ray."), "x-ray."),
        ((" non", "-healing"), "non-healing"),
        ((" 96", "%"), "96%"),
        ((" 140", "/90"), "140/90"),
        ((" mmol", "/mol,"), "mmol/mol,"),
        ((" hand", "-foot", "-and", "-mouth"), "hand-foot-and-mouth"),
        ((" 38", " ", ".9"), "38.9"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_word_that_the_recogniser_tears_is_whole(parts, whole):
    torn = [(part, 1 + i / 10, 1.1 + i / 10, 0.9 - i / 100) for i, part in enumerate(parts)]
    segment = finished((" about", 0.5, 1.0, 0.8), *torn, (" then", 3.0, 3.5, 0.7))
    assert segment.text == f"about {whole} then"
    _, word, _ = segment.words
    assert word == Word(1.0, pytest.approx(torn[-1][2]), whole, pytest.approx(torn[-1][3]))


def test_the_first_word_needs_no_blank_and_an_empty_segment_is_dropped():
    assert finished(("Good", 0.0, 0.2, 0.9), (" day", 0.2, 0.4, 0.9)).text == "Good day"
    assert finished((" ", 0.0, 0.2, 0.9)) is None and finished() is None
    assert finished((" .", 0.0, 0.2, 0.9), (" -", 0.2, 0.3, 0.9)) is None, "over a breath"


def test_a_part_that_ends_before_its_word_or_after_the_recording_keeps_times_in_order():
    (word,) = finished((" 38", 1.0, 2.0, 0.9), (".9", 0.5, 0.7, 0.9), earliest_s=0.8).words
    assert (word.start_s, word.end_s) == (1.0, 2.0)
    (word,) = finished((" 38", 1.0, 2.0, 0.9), (".9", 2.0, 9.0, 0.9), duration_s=2.5).words
    assert (word.start_s, word.end_s) == (1.0, 2.5)


def test_spoken_decimals_reach_the_numbers(transcriber):
    waveform = speak("Her temperature was thirty eight point nine degrees, and we did a chest x-ray.", "flite-slt")
    transcript = transcriber.transcribe(Recording("decimal", waveform, SAMPLE_RATE_HZ, 1))
    texts = [word.text.lower().rstrip(".,") for word in transcript.words]
    assert "38.9" in texts and "x-ray" in texts
    assert transcript.text == " ".join(word.text for word in transcript.words)
    (found,) = find_measurements(transcript, (), ConceptBank.default())
    assert (found.kind, found.value, found.unit) == ("temperature", "38.9", "°C")
