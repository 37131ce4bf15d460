"""The study of body sounds: what it measures from a sound, and that no part of it looks at what is tested."""

import body_sound_arms as arms
import numpy as np
import pytest
from test_spectrogram_encoder import beats


def made(n=120):
    rng = np.random.default_rng(0)
    abnormal = rng.random(n) < 0.5
    clips = arms.Clips([], np.array(["a", "b", "e"])[np.arange(n) % 3], abnormal)
    clips.__dict__["findings"] = ["The heart rate is slow."] * n
    return clips


@pytest.mark.parametrize("rate_per_min", [55, 75, 110])
def test_the_rate_told_as_a_finding_is_that_of_the_beats(rate_per_min):
    found, regularity, _ = arms.measure(beats(rate_per_min, 10.0))
    assert found == pytest.approx(rate_per_min, abs=3) and regularity > 0.5


def test_every_clip_is_tested_once_and_never_learnt_from():
    clips = made()
    for cuts in arms.splits(clips).values():
        assert sorted(np.concatenate([test for *_, test in cuts])) == list(range(120))
        assert all(not set(learn) & set(test) for _, learn, test in cuts)
    assert all(len(set(clips.subset[test])) == 1 for *_, test in arms.splits(clips)["left out"])


def test_a_lift_is_over_the_same_clips():
    clips = made()
    right = {i: float(clips.abnormal[i]) for i in range(120)}
    noise = {i: float(x) for i, x in enumerate(np.random.default_rng(1).random(120))}
    found = arms.figures(right, clips, {"lift": noise})
    assert found["auroc"] == 1 and found["lift"] == pytest.approx(1 - arms.figures(noise, clips)["auroc"], abs=1e-4)
    assert arms.figures(noise, clips, {"lift": noise})["lift_95"] == [0, 0]


def test_a_resample_counts_a_recording_as_often_as_it_was_drawn():
    values, truth = np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, True, False, True])
    whole, weighted = arms.resampled_auroc(values, truth, np.array([[1, 1, 1, 1], [0, 3, 1, 1]]))
    assert whole == 0.875 and weighted == pytest.approx((3 * 0.5 + 1) / 4)


def test_withheld_labels_are_not_told():
    texts = arms.texts_of(made(), "findings", np.random.default_rng(0))
    assert {text for text, _ in texts} == {"The heart rate is slow."} and len({said for _, said in texts}) == 1
