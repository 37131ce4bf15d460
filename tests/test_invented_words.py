"""What a recogniser writes over a cough is no word of anybody; a short answer is, however unsure it was of it."""

from dataclasses import replace

import numpy as np
import pytest

from medalign.core.assets import CHECKPOINTS
from medalign.core.audio import SAMPLE_RATE_HZ, Recording
from medalign.core.transcript import Segment, Transcript, Word
from medalign.models.sound_events import LABELS
from medalign.pipeline.analyzer import Analyzer
from medalign.pipeline.calibration import OTHER_ASR_THRESHOLD, Calibration
from medalign.pipeline.invented_words import InventedWords, invented_features, without_invented
from medalign.pipeline.warnings_about import warnings_about

COUGH = LABELS.index("cough")
OVER_A_COUGH = ("Thank you for watching!", -1.2, 0.5)  # words, and the recogniser's two figures
SHORT_ANSWER = ("No.", -0.9, 0.35)
SENTENCE = ("It hurts when I breathe in.", -0.3, 0.05)


@pytest.fixture(scope="module")
def fit():
    return Calibration.load(CHECKPOINTS / "whisper-tiny.en-minilm").fits["invented words"]


def transcript_of(*said: tuple[str, float, float]) -> Transcript:
    """A segment a second."""
    segments = []
    for start_s, (text, log_probability, no_speech) in enumerate(said):
        words = (Word(float(start_s), start_s + 0.9, text, 0.5),)
        segments.append(Segment(float(start_s), start_s + 0.9, text, words, "unknown", log_probability, no_speech))
    return Transcript(tuple(segments), "en")


def lead_of(*events: int | None) -> np.ndarray:
    """A kind of sound in each second, loud and clear; None for none."""
    lead = np.full((10 * len(events), len(LABELS)), -6.0)
    for second, column in enumerate(events):
        if column is not None:
            lead[10 * second : 10 * second + 8, column] = 5.0
    return lead


def test_words_over_a_cough_are_withheld_and_answers_and_sentences_stay(fit):
    transcript = transcript_of(SENTENCE, OVER_A_COUGH, SHORT_ANSWER, SENTENCE)
    kept, withheld = without_invented(transcript, lead_of(None, COUGH, None, COUGH), fit, fit.threshold)
    assert [segment.text for segment in kept.segments] == [SENTENCE[0], SHORT_ANSWER[0], SENTENCE[0]]
    assert withheld == (InventedWords(1.0, 1.9, OVER_A_COUGH[0], "cough"),)


def test_neither_the_recognisers_doubt_nor_a_cough_is_enough(fit):
    unsure = ("Three.", -1.0, 0.8)
    for said, heard in ((SHORT_ANSWER, None), (OVER_A_COUGH, None), (unsure, None), (SENTENCE, COUGH)):
        assert without_invented(transcript_of(said), lead_of(heard), fit, fit.threshold)[1] == ()


def test_what_nobody_measured_stays(fit):
    plain = transcript_of(OVER_A_COUGH)
    edited = replace(plain, segments=(replace(plain.segments[0], mean_log_probability=None),))
    assert without_invented(edited, lead_of(COUGH), fit, fit.threshold) == (edited, ())
    assert without_invented(plain, np.zeros((0, len(LABELS))), fit, fit.threshold) == (plain, ())


def test_a_segment_behind_the_last_step_is_compared_with_the_last():
    features = invented_features(transcript_of(SENTENCE, SENTENCE).segments, lead_of(COUGH)[:8])
    assert features.tolist() == [[-0.3, 0.05, 5.0]] * 2


def test_another_recogniser_must_be_surer(fit):
    calibration = Calibration.load(CHECKPOINTS / "whisper-tiny.en-minilm")
    assert calibration.threshold("invented words", calibration.asr_revision) == fit.threshold
    assert calibration.threshold("invented words", "another") == max(fit.threshold, OTHER_ASR_THRESHOLD)


def test_the_reader_is_told_where_words_were_withheld_and_which(fit):
    kept, withheld = without_invented(transcript_of(OVER_A_COUGH), lead_of(COUGH), fit, fit.threshold)
    told = warnings_about(Recording("a.wav", np.full(SAMPLE_RATE_HZ, 0.1, np.float32), SAMPLE_RATE_HZ, 1), kept, (), withheld)
    assert kept.segments == () and kept.language is None
    assert any("0.0 to 0.9 s, cough (“Thank you for watching!”)" in warning for warning in told)


def test_an_analysis_leaves_them_out_and_says_so(analyzer, cut, monkeypatch):
    class Polite:
        info, scorer = analyzer.transcriber.info, analyzer.transcriber.scorer

        def stream(self, recording):
            yield transcript_of(OVER_A_COUGH, SHORT_ANSWER)

    monkeypatch.setattr(analyzer.listener.detector, "lead", lambda frames: lead_of(COUGH, None))
    analysis = Analyzer(Polite(), analyzer.listener).analyze(cut("low-mood", 0, 2))
    assert analysis.transcript.text == SHORT_ANSWER[0]
    assert any("Thank you for watching!" in warning for warning in analysis.warnings)
