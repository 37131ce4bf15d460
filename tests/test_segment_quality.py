"""The transcript alarm: words put in another's place are found out, doubted words too, and right ones are left alone."""

from dataclasses import replace

import numpy as np
import pytest

from medalign.concepts import ConceptBank
from medalign.core.errors import CheckpointError, DataError
from medalign.core.transcript import Segment, Word
from medalign.pipeline.segment_quality import (
    N_GARBLED,
    N_MISMATCH,
    SegmentQuality,
    garbled_features,
    mismatch_features,
    quadratic,
)
from medalign.training.fitting.fit_segment_quality import HARD, Judged, fit_alarm, measure_alarm

D, N = 32, 40


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def segments(n: int, probability: float = 0.9, n_words: int = 5) -> list[Segment]:
    words = tuple(Word(0.0, 0.1, "word", probability) for _ in range(n_words))
    return [Segment(2.0 * i, 2.0 * i + 1.8, "word " * n_words, words, mean_log_probability=-0.3) for i in range(n)]


def judged(seed: int, *, garbled_share: float = 0.2) -> Judged:
    """A consultation in which sound and own text lie near each other, and garbled segments have doubted words."""
    rng = np.random.default_rng(seed)
    text = unit(rng.standard_normal((N, D)))
    audio = unit(text + 0.15 * rng.standard_normal((N, D)))
    foreign = unit(rng.standard_normal((N, D)))
    reference = unit(rng.standard_normal((200, D)))
    wrong = rng.random(N) < garbled_share
    spoken = [segments(1, 0.35 if w else 0.9)[0] for w in wrong]
    features = {
        "own": mismatch_features(audio, text, text, spoken, reference),
        "foreign": mismatch_features(audio, text, foreign, spoken, reference),
        "same": mismatch_features(audio, text, np.roll(text, 3, 0), spoken, reference),
    }
    rows = {kind: np.arange(N) for kind in features}
    garbled = garbled_features(spoken) + 0.1 * rng.standard_normal((N, N_GARBLED))
    return Judged(np.where(wrong, 0.8, 0.1), features, rows, garbled, rng.standard_normal((N, 2)))


def test_features_compare_a_text_with_others_and_know_its_own_score():
    rng = np.random.default_rng(0)
    text = unit(rng.standard_normal((N, D)))
    reference = unit(rng.standard_normal((200, D)))
    features = mismatch_features(text, text, text, segments(N), reference)
    assert features.shape == (N, N_MISMATCH)
    assert np.allclose(features[:, 0], 1.0)  # the cosine
    assert np.allclose(features[:, [1, 4, 7]], 1.0)  # nothing fits better: not the reference, no other text, no other sound
    assert (features[:, [3, 6, 9]] > 0).all()
    swapped = mismatch_features(text, text, np.roll(text, 1, 0), segments(N), reference)
    assert (swapped[:, 9] < 0).all()  # the sound that the text belongs to fits better


def test_a_recording_of_one_segment_is_compared_with_the_reference():
    rng = np.random.default_rng(0)
    text = unit(rng.standard_normal((1, D)))
    features = mismatch_features(text, text, text, segments(1), unit(rng.standard_normal((200, D))))
    assert np.isfinite(features).all() and features[0, 0] == pytest.approx(1.0)


def test_garbled_features_fall_back_to_the_words_where_the_recogniser_gave_no_figure():
    told = segments(1, 0.5)[0]
    untold = replace(told, mean_log_probability=None)
    assert garbled_features([told])[0, 2] == -0.3
    assert garbled_features([untold])[0, 2] == pytest.approx(np.log(0.5))
    assert np.isfinite(garbled_features([replace(told, words=())])).all()


def test_quadratic_terms():
    assert quadratic(np.array([[2.0, 3.0]])).tolist() == [[2, 3, 4, 6, 9]]


def test_an_alarm_tells_swapped_and_garbled_segments_from_right_ones_and_leaves_those_alone():
    learnt = [judged(seed) for seed in range(6)]
    alarm = fit_alarm(learnt)
    figures = measure_alarm(alarm, [judged(seed) for seed in (10, 11, 12)], learnt)
    assert figures["foreign"]["auroc"] > 0.99 and figures["same"]["auroc"] > 0.99
    assert figures["foreign"]["marked"] > 0.9 and figures["alarms_on_right_segments"] < 0.05
    told = figures["garbled"]
    assert told["auroc"] > 0.95 and told["auroc of recogniser alone"] < 0.7  # which was noise
    assert told["alarms_on_right_segments"] < 0.1 and told["marked"] > 0.8


def test_nothing_garbled_can_not_be_fitted_on():
    with pytest.raises(DataError, match="garbled"):
        fit_alarm([judged(0, garbled_share=0.0)])


def test_an_alarm_survives_the_disk_and_damage_is_one_sentence(tmp_path):
    assert SegmentQuality.load(tmp_path) is None
    alarm = fit_alarm([judged(seed) for seed in range(3)])
    alarm.save(tmp_path)
    loaded = SegmentQuality.load(tmp_path)
    features = judged(9)
    assert np.allclose(loaded.mismatch(features.mismatch["own"]), alarm.mismatch(features.mismatch["own"]))
    assert np.allclose(loaded.garbled(features.garbled), alarm.garbled(features.garbled))
    assert loaded.mismatch_threshold == alarm.mismatch_threshold and loaded.garbled_threshold == alarm.garbled_threshold
    (tmp_path / "alarm.safetensors").write_bytes(b"x" * 50)
    with pytest.raises(CheckpointError, match="medalign segment-quality"):
        SegmentQuality.load(tmp_path)


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
