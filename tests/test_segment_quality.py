"""Segment quality: words put in another's place are found out, doubted words too, and right ones are left alone."""

from dataclasses import replace

import numpy as np
import pytest

from medalign.concepts import ConceptBank
from medalign.core.errors import DataError
from medalign.core.transcript import Segment, Word
from medalign.pipeline.calibration import FEATURES, Calibration
from medalign.pipeline.segment_quality import mismatch_features, transcription_error_features
from medalign.training.fitting.fit_segment_quality import (
    ELSEWHERE,
    FOREIGN,
    HARD,
    CheckedSegments,
    fit_segment_quality,
    measure_segment_quality,
)

D, N = 32, 40
UNFITTED = Calibration(np.zeros((1, D)), 50.0)


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def segments(n: int, probability: float = 0.9, n_words: int = 5) -> list[Segment]:
    words = tuple(Word(0.0, 0.1, "word", probability) for _ in range(n_words))
    return [Segment(2.0 * i, 2.0 * i + 1.8, "word " * n_words, words, mean_log_probability=-0.3) for i in range(n)]


def checked(seed: int, *, wrong_share: float = 0.2) -> CheckedSegments:
    """A consultation in which sound and own text lie near each other, and wrong segments have doubted words."""
    rng = np.random.default_rng(seed)
    text = unit(rng.standard_normal((N, D)))
    audio = unit(text + 0.15 * rng.standard_normal((N, D)))
    foreign = unit(rng.standard_normal((N, D)))
    distractors = unit(rng.standard_normal((200, D)))
    wrong = rng.random(N) < wrong_share
    spoken = [segments(1, float(np.clip((0.35 if w else 0.8) + 0.1 * rng.standard_normal(), 0.01, 1)))[0] for w in wrong]
    features = {
        "own": mismatch_features(audio, text, text, spoken, distractors),
        FOREIGN: mismatch_features(audio, text, foreign, spoken, distractors),
        ELSEWHERE: mismatch_features(audio, text, np.roll(text, 3, 0), spoken, distractors),
    }
    rows = {kind: np.arange(N) for kind in features}
    noise = rng.standard_normal((N, 2))
    return CheckedSegments(np.where(wrong, 0.8, 0.1), features, rows, transcription_error_features(spoken), noise)


def test_features_compare_a_text_with_others_and_know_its_own_score():
    rng = np.random.default_rng(0)
    text = unit(rng.standard_normal((N, D)))
    distractors = unit(rng.standard_normal((200, D)))
    features = mismatch_features(text, text, text, segments(N), distractors)
    assert features.shape == (N, len(FEATURES["mismatch"]))
    assert np.allclose(features[:, 0], 1.0)  # the cosine
    assert np.allclose(features[:, [1, 4, 7]], 1.0)  # nothing fits better: no distractor, no other text, no other sound
    assert (features[:, [3, 6, 9]] > 0).all()
    swapped = mismatch_features(text, text, np.roll(text, 1, 0), segments(N), distractors)
    assert (swapped[:, 9] < 0).all()  # the sound that the text belongs to fits better


def test_a_recording_of_one_segment_is_compared_with_distractors():
    rng = np.random.default_rng(0)
    text = unit(rng.standard_normal((1, D)))
    features = mismatch_features(text, text, text, segments(1), unit(rng.standard_normal((200, D))))
    assert np.isfinite(features).all() and features[0, 0] == pytest.approx(1.0)


def test_features_of_transcription_errors_are_the_recognisers_own_and_their_products():
    told = segments(1, 0.5)[0]
    (row,) = transcription_error_features([told])
    names = FEATURES["transcription error"]
    assert len(row) == len(names)
    by_name = dict(zip(names, row, strict=True))
    assert by_name["mean_log_probability"] == -0.3 and by_name["lowest_word_probability"] == 0.5
    assert by_name["log_words * lowest_word_probability"] == pytest.approx(0.5 * np.log(5))
    assert by_name["mean_log_probability * mean_log_probability"] == pytest.approx(0.09)


def test_nothing_stands_in_for_a_figure_that_the_recogniser_did_not_give():
    with pytest.raises(ValueError, match="without the recogniser's mean log-probability"):
        transcription_error_features([replace(segments(1)[0], mean_log_probability=None)])


def test_swapped_and_wrong_segments_are_found_and_right_ones_left_alone():
    fitted_on = [checked(seed) for seed in range(6)]
    calibration = fit_segment_quality(fitted_on, UNFITTED)
    figures = measure_segment_quality(calibration, [checked(seed) for seed in (10, 11, 12)], fitted_on)
    assert figures[FOREIGN]["auroc"] > 0.99 and figures[ELSEWHERE]["auroc"] > 0.99
    assert figures[FOREIGN]["marked"] > 0.9 and figures["right_segments_marked"] < 0.05
    errors = figures["transcription error"]
    assert errors["auroc"] > 0.95 and errors["auroc of recogniser alone"] < 0.7  # which was noise
    assert errors["right_segments_marked"] < 0.1 and errors["marked"] > 0.8


def test_segments_without_a_wrong_one_can_not_be_fitted_on():
    with pytest.raises(DataError, match="'transcription error': 0 of 40"):
        fit_segment_quality([checked(0, wrong_share=0.0)], UNFITTED)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("medicine changed", "I take salbutamol daily", lambda new: "salbutamol" not in new and new.endswith("daily")),
        ("number changed", "for 3 days", lambda new: new != "for 3 days" and new.startswith("for ") and new.endswith(" days")),
        ("negation dropped", "No chest pain", lambda new: new == "chest pain"),
        ("negation dropped", "I don't smoke", lambda new: new == "I do smoke"),
        ("medicine changed", "for 3 days", None),
        ("number changed", "no chest pain", None),
        ("negation dropped", "I take salbutamol", None),
        ("negation dropped", "No.", None),
    ],
)
def test_hard_changes_change_one_thing_or_nothing(kind, text, expected):
    changed = HARD[kind](text, ConceptBank.default(), np.random.default_rng(0))
    assert changed is None if expected is None else expected(changed)
